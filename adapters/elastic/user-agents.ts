/** The programs behind user agents. The user agent is what a client says of itself. */
import Bowser from 'bowser';
import { LRUCache } from 'lru-cache';
import type { Program } from '../../domain/audit.ts';

/** The programs of the newest user agents: parsing one takes a seventh of what shipping an event takes. */
const known = new LRUCache<string, Program>({ max: 1000 });

/** Returns the program, its system and the kind of its device, as far as the user agent names them. Never throws. */
export function programOf(userAgent: string): Program {
  const program = known.get(userAgent) ?? parse(userAgent);
  known.set(userAgent, program);
  return program;
}

function parse(userAgent: string): Program {
  if (userAgent === '') return {};
  const { browser, os, platform } = Bowser.parse(userAgent);
  const named = ({ name, version }: { name?: string | undefined; version?: string | undefined }) => ({
    ...(name && { name }),
    ...(version && { version }),
  });
  const system = named(os);
  // what no table knows names itself before the first slash (RFC 9110 section 10.1.5)
  const product = /^([\w.-]{1,64})(?:\/([\w.-]{1,32}))?/.exec(userAgent);
  return {
    ...(browser.name ? named(browser) : named({ name: product?.[1], version: product?.[2] })),
    ...(Object.keys(system).length > 0 && { os: system }),
    ...(platform.type && { device: { name: platform.type } }),
  };
}
