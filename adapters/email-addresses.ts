/**
 * E-mail addresses: RFC 5321 dot-strings, the domain by IDNA (RFC 5891). Pure; nothing is asked.
 *
 * A percent or exclamation mark before the at sign is refused: relays may read it as a route to somewhere else.
 */
import { domainToASCII } from 'node:url';

const localPart = /^[\w#$&'*+/=?^`{|}~-]+(\.[\w#$&'*+/=?^`{|}~-]+)*$/;
/** What is no part of a name; the parser of URLs, which makes names ASCII, would cut, drop or decode it. */
const notInDomain = /[\s\p{Cc}/\\?#%:@[\]]/u;
const domain = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/;

/**
 * One address, its domain in ASCII lower case, its local part as typed; undefined when it is none, or more than one, or
 * more than an address.
 */
export function parseEmailAddress(text: string): string | undefined {
  const at = text.lastIndexOf('@');
  const local = text.slice(0, at);
  if (at < 1 || local.length > 64 || text.length > 320 || !localPart.test(local)) return undefined;
  const name = text.slice(at + 1);
  if (notInDomain.test(name)) return undefined;
  const ascii = domainToASCII(name).toLowerCase();
  return domain.test(ascii) ? `${local}@${ascii}` : undefined;
}
