/**
 * Users with an account, written directly into the stores of a system: the account that a completed registration
 * leaves. test/journeys/fixture.test.ts compares both.
 *
 * Status, workflow, messages and events of a registration do not exist for them.
 */
import { createAccounts } from '../../adapters/mongo/accounts.ts';
import { connectMongo } from '../../adapters/mongo/connect.ts';
import { createPasswords } from '../../adapters/passwords.ts';
import { connectRedis } from '../../adapters/redis/connect.ts';
import { createAuthSessions } from '../../adapters/redis/sessions.ts';
import { beginSession, type SessionBeginDeps, sessionLifeOf } from '../../api/sessions.ts';
import { createTokens } from '../../api/tokens.ts';
import type { Tokens } from '../../contract/schemas.ts';
import type { ContactIdentity } from '../../domain/identity.ts';
import type { System } from '../../engines/system.ts';
import { readConfig } from '../../platform/config/config.ts';
import { Secret } from '../../platform/config/secret.ts';
import { createCipher, deriveKey, newId, newToken } from '../../platform/crypto.ts';
import { personOf } from './journey.ts';
import { goodPassword } from './registrations.ts';

/**
 * The user to create: the number of `person000` to `person999`, or an identity as a registration without a directory
 * verifies it.
 */
export type Who = number | ContactIdentity;

/** The choices of a user at registration. */
export interface Chosen {
  /** `goodPassword` if omitted; no password if null. */
  password?: string | null;
  pin?: string;
  /** Language of messages, BCP 47. */
  locale?: string;
}

/** A created account. */
export interface Registered {
  userId: string;
  /** Id of a registration that does not exist. */
  registrationId: string;
}

/** A user with a session: the account, and the tokens in the format of `POST …/session`. */
export type SignedIn = Registered & Tokens;

/**
 * Creates the account of a user.
 *
 * @throws {Error} the name, number or address is taken
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

/**
 * Creates the account of a user, and a session of it.
 * @throws {Error} as `registeredPerson`
 */
export async function signedIn(system: System, who: Who, chosen: Chosen = {}): Promise<SignedIn> {
  const registered = await registeredPerson(system, who, chosen);
  return { ...registered, ...(await sessionOf(system, registered.userId)) };
}

/**
 * Starts another session of a user and returns its tokens.
 * @throws {Error} there is no such user
 */
async function sessionOf(system: System, userId: string): Promise<Tokens> {
  const tools = toolsOf(system);
  const account = await tools.accounts.read(userId);
  if (account === undefined) throw new Error(`There is no account ${userId}`);
  return beginSession(
    tools,
    account,
    { id: newId(), token: newToken(), at: Date.now() },
    { address: '127.0.0.1', userAgent: 'node' },
  );
}

/** Returns the directory entry of a numbered person (engines/directory/seed.ts). */
function entryOf(person: number): ContactIdentity {
  const { username, fullName, email, phone } = personOf(person);
  const directoryId = `bea00000-0000-4000-8000-000000000${String(person).padStart(3, '0')}`;
  return { directoryId, username, fullName, email, phone, groups: [] };
}

type Tools = Pick<SessionBeginDeps, 'sessions' | 'sessionLife' | 'tokens' | 'config' | 'events'> & {
  accounts: ReturnType<typeof createAccounts>;
  /** Hashes a secret once and caches the hash. */
  hash(secret: string): Promise<string>;
};

const known = new WeakMap<System, Tools>();

/** Returns the connections and keys of a system; they are closed with it. */
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
    sessions: createAuthSessions(redis),
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
