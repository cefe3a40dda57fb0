/**
 * People with an account, written straight into the stores of a system: what a completed registration leaves of an account,
 * without the registration. test/journeys/fixture.test.ts holds it to that.
 *
 * What only the registration itself leaves is not there: its status, its workflow, its messages and its events.
 */
import type { z } from 'zod';
import { createAccounts } from '../../adapters/mongo/accounts.ts';
import { connectMongo } from '../../adapters/mongo/connect.ts';
import { createPasswords } from '../../adapters/passwords.ts';
import { connectRedis } from '../../adapters/redis/connect.ts';
import { createSessions } from '../../adapters/redis/sessions.ts';
import type { Tokens } from '../../api/schemas.ts';
import { beginSession, mintSession, type SessionBeginDeps, sessionLifeOf } from '../../api/sessions.ts';
import { createTokens } from '../../api/tokens.ts';
import type { Identity } from '../../domain/registration.ts';
import type { System } from '../../engines/system.ts';
import { readConfig, Secret } from '../../platform/config.ts';
import { createCipher, deriveKey, newId } from '../../platform/crypto.ts';
import { personOf } from './journey.ts';
import { goodPassword } from './registrations.ts';

/** Who gets an account: the number of one of `person000` to `person999`, or what a registration without a directory proves. */
export type Who = number | Identity;

/** What a person chose at their registration. */
export interface Chosen {
  /** `goodPassword` when left out; none when null. */
  password?: string | null;
  pin?: string;
  /** Language of the messages, BCP 47. */
  locale?: string;
}

/** An account that was made. */
export interface Registered {
  userId: string;
  /** Of the registration that never was. */
  registrationId: string;
}

/** A person with a session: the account, and the tokens as `POST …/session` answers them. */
export type SignedIn = Registered & z.output<typeof Tokens>;

/**
 * Makes the account of a person.
 *
 * @throws {Error} somebody has the name, number or address
 */
export async function registeredPerson(
  system: System,
  who: Who,
  { password = goodPassword, pin, locale }: Chosen = {},
): Promise<Registered> {
  const { accounts, hash } = toolsOf(system);
  const identity = typeof who === 'number' ? entryOf(who) : who;
  const [userId, registrationId] = [newId(), newId()];
  if (!(await accounts.claim(userId, identity))) throw new Error(`${JSON.stringify(who)} has an account already`);
  await accounts.insert({
    userId,
    registrationId,
    identity,
    ...(password !== null && { password: await hash(password) }),
    ...(pin !== undefined && { pin: await hash(pin) }),
    createdAt: new Date(),
    ...(locale !== undefined && { locale }),
  });
  return { userId, registrationId };
}

/** Makes the account of a person, and a session of it. @throws {Error} as `registeredPerson` */
export async function signedIn(system: System, who: Who, chosen: Chosen = {}): Promise<SignedIn> {
  const registered = await registeredPerson(system, who, chosen);
  return { ...registered, ...(await sessionOf(system, registered.userId)) };
}

/** Begins one more session of a person; answers its tokens. @throws {Error} there is no such person */
export async function sessionOf(system: System, userId: string): Promise<z.output<typeof Tokens>> {
  const tools = toolsOf(system);
  const account = await tools.accounts.read(userId);
  if (account === undefined) throw new Error(`There is no account ${userId}`);
  return beginSession(tools, account, mintSession(), { address: '127.0.0.1', userAgent: 'node' });
}

/** What the directory says of a numbered person (engines/directory/seed.ts). */
function entryOf(person: number): Identity {
  const { username, fullName, email, phone } = personOf(person);
  const directoryId = `bea00000-0000-4000-8000-000000000${String(person).padStart(3, '0')}`;
  return { directoryId, username, fullName, email, phone, groups: [] };
}

type Tools = Pick<SessionBeginDeps, 'sessions' | 'sessionLife' | 'tokens' | 'config' | 'events'> & {
  accounts: ReturnType<typeof createAccounts>;
  /** Hashes a secret, each once. */
  hash(secret: string): Promise<string>;
};

const known = new WeakMap<System, Tools>();

/** The connections and keys of a system; they are closed with it. */
function toolsOf(system: System): Tools {
  const tools = known.get(system) ?? openTools(system);
  known.set(system, tools);
  return tools;
}

function openTools(system: System): Tools {
  const config = readConfig('api', system.processes.env('api'));
  const dataKey = new Secret(system.secrets.DATA_KEY);
  const database = connectMongo(system.ready.databaseUrl, () => undefined);
  const redis = connectRedis(system.ready.redisUrl, () => undefined);
  system.folder.onClose(async () => {
    redis.disconnect();
    await database[Symbol.asyncDispose]();
  });
  const passwords = createPasswords(deriveKey(dataKey, 'pepper'), config.ARGON2_CONCURRENCY);
  const hashes = new Map<string, Promise<string>>();
  return {
    config,
    accounts: createAccounts(database.connection, deriveKey(dataKey, 'identity'), createCipher('field', dataKey)),
    sessions: createSessions(redis),
    sessionLife: sessionLifeOf(config),
    tokens: createTokens(config),
    events: { sessionCreated: () => undefined, sessionEnded: () => undefined },
    hash(secret) {
      const hash = hashes.get(secret) ?? passwords.hash(secret);
      hashes.set(secret, hash);
      return hash;
    },
  };
}
