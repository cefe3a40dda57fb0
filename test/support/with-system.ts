/** The system of a test file: one for all its tests, stopped after them. */
import { after } from 'node:test';
import type { System, SystemOptions } from '../../engines/system.ts';
import { holdToContract, type OpenApiDocument } from './contract.ts';
import { createPeople, type People } from './people.ts';
import { type Behind, lookBehind } from './registrations.ts';
import { createRestClient, type RestClient } from './rest-client.ts';
import { startTestSystem } from './system.ts';

/** A running system, and what most tests use of it. */
interface Running extends People {
  system: System;
  /** Its stores. */
  behind: Behind;
  /** URL of its api. */
  url: string;
  outboxUrl: string;
  /** A client of its api. */
  api: RestClient;
  /** The OpenAPI document of its api: every response of the file is checked against it. */
  document: OpenApiDocument;
}

/** Options of the system of a file. */
interface RunningOptions extends Omit<Partial<SystemOptions>, 'env'> {
  /** Starts the system: `startTestSystem` by default. */
  start?: (options: Partial<SystemOptions>) => Promise<System>;
}

/**
 * Starts a system for all tests of a file, with these variables and cheap captchas. It is awaited at the top level of
 * the file, so that the tests get constants.
 */
export async function withSystem(
  env: NodeJS.ProcessEnv = {},
  { start = startTestSystem, ...options }: RunningOptions = {},
): Promise<Running> {
  const system = await start({ ...options, env: { CAPTCHA_COST: '2', ...env } });
  const looking = lookBehind(system);
  after(async () => {
    await (await looking)[Symbol.asyncDispose]();
    await system.stop();
  });
  const behind = await looking;
  const { apiUrl: url, outboxUrl } = system.ready;
  const api = createRestClient(url);
  const document = await holdToContract(url);
  return { system, behind, url, outboxUrl, api, document, ...createPeople(system, api) };
}
