/**
 * Users with an account, written directly into the stores of a system: the account that a completed registration
 * leaves. test/journeys/fixture.test.ts compares both.
 *
 * Status, workflow, messages and events of a registration do not exist for them.
 */
import { randomUUID } from 'node:crypto';
import { createAccounts } from '../../adapters/mongo/accounts.ts';
import { connectMongo } from '../../adapters/mongo/connect.ts';
import { createDevices } from '../../adapters/mongo/devices.ts';
import { createPasswords } from '../../adapters/passwords.ts';
import { createAccountFacts, createFactChanges } from '../../adapters/redis/account-facts.ts';
import { connectRedis } from '../../adapters/redis/connect.ts';
import { createInboxDevices } from '../../adapters/redis/inbox-devices.ts';
import { createAuthSessions } from '../../adapters/redis/sessions.ts';
import { beginSession, type SessionBeginDeps, sessionLifeOf } from '../../api/sessions.ts';
import { createTokens } from '../../api/tokens.ts';
import type { Device } from '../../contract/devices.ts';
import type { Tokens } from '../../contract/schemas.ts';
import type { StoredDevice } from '../../domain/device.ts';
import type { ContactIdentity } from '../../domain/identity.ts';
import type { Ready, System } from '../../engines/system.ts';
import { readConfig } from '../../platform/config/config.ts';
import { newId, newToken } from '../../platform/crypto.ts';
import { keysIn } from '../../platform/keyring.ts';
import type { Answer } from './client.ts';
import { personOf } from './journey.ts';
import { codeBy, completedRegistration, goodPassword, must } from './registrations.ts';
import type { ReplyOf, RestClient } from './rest-client.ts';

/** Most devices of an account that is written directly. */
const devicesMax = 6;

/**
 * The user to create: the number of `person000` to `person999`, or an identity as a registration without a directory
 * verifies it.
 */
export type Who = number | ContactIdentity;

/** What users are written into: a system, or its stores and the variables of its processes. */
export type PeopleStores = Pick<System, 'folder' | 'secrets' | 'processes'> & {
  ready: Pick<Ready, 'databaseUrl' | 'redisUrl'>;
};

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
  /** Id of a registration, which exists only for a `registrant`. */
  registrationId: string;
  /** User name, address and number; empty if the account has none. */
  name: string;
  mail: string;
  phone: string;
}

/** A user with a session: the account, and the tokens in the format of `POST …/session`. */
export interface SignedIn extends Registered, Tokens {
  /** The access token. */
  token: string;
}

/** The users of one system. */
export interface People {
  /** Creates the account of a user, as `registeredPerson`. */
  account(who: Who, chosen?: Chosen): Promise<Registered>;
  /** Creates the account of a user and a session of it, as `signedIn`. */
  person(who: Who, chosen?: Chosen): Promise<SignedIn>;
  /** Registers a numbered person through the API, with everything that a registration leaves, and takes the session. */
  registrant(index: number): Promise<SignedIn>;
  /** Logs in by password. */
  logIn(identifier: string, password?: string): Promise<ReplyOf<'beginLogInAlias'>>;
  /** Returns whether an access token is accepted. */
  isAlive(token: string): Promise<boolean>;
  /**
   * Makes a call that sends a code to a number or address. Returns the body of its response, with the code once it has
   * arrived.
   * @throws {Error} the status is not 202
   */
  codeBy<A extends Answer>(to: string, sending: () => Promise<A>): Promise<A['body'] & { code: string }>;
}

/** Creates the functions on users of a system and of its api. */
export function createPeople(system: System, api: RestClient): People {
  const { outboxUrl } = system.ready;
  return {
    account: (who, chosen) => registeredPerson(system, who, chosen),
    person: (who, chosen) => signedIn(system, who, chosen),
    async registrant(index) {
      const { id, token } = await completedRegistration(system, index);
      const { body } = await must(api.createRegistrationSession({ registrationId: id, token }), 201);
      const { userId } = body.user;
      return { ...nameOf(entryOf(index)), userId, registrationId: id, ...body, token: body.accessToken };
    },
    logIn: (identifier, password = goodPassword) => api.beginLogInAlias({ body: { identifier, password } }),
    isAlive: async (token) => (await api.readSession({ token })).status === 200,
    codeBy: (to, sending) => codeBy({ outboxUrl, to }, sending),
  };
}

/**
 * Creates the account of a user.
 *
 * @throws {Error} the name, number or address is taken
 */
export async function registeredPerson(
  system: PeopleStores,
  who: Who,
  { password = goodPassword, pin, locale }: Chosen = {},
): Promise<Registered> {
  const { accounts, hash } = toolsOf(system);
  const identity = typeof who === 'number' ? entryOf(who) : who;
  const [userId, registrationId] = [randomUUID(), newId()];
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
  return { userId, registrationId, ...nameOf(identity) };
}

/**
 * Creates the account of a user, and a session of it.
 * @throws {Error} as `registeredPerson`
 */
export async function signedIn(system: PeopleStores, who: Who, chosen: Chosen = {}): Promise<SignedIn> {
  const registered = await registeredPerson(system, who, chosen);
  const tokens = await sessionOf(system, registered.userId);
  return { ...registered, ...tokens, token: tokens.accessToken };
}

/**
 * Adds a device without one-time keys to an account and starts a session of it: what `PUT /devices/me` leaves, without
 * events and messages.
 * @throws {Error} the account does not exist, or refuses the device
 */
export async function signedInDevice(system: PeopleStores, userId: string, body: Device): Promise<Tokens> {
  const { preKeys: _curve, pqPreKeys: _kem, capabilities = {}, ...device } = body;
  const addition = await toolsOf(system).devices.add(
    userId,
    { ...device, capabilities, createdAt: Date.now(), addedBy: newId() },
    { max: devicesMax },
  );
  if (addition.outcome !== 'added') throw new Error(`The device is not added: ${addition.outcome}`);
  return sessionOf(system, userId, addition.device);
}

/**
 * Starts another session of a user, or one of a device, and returns its tokens.
 * @throws {Error} there is no such user
 */
async function sessionOf(system: PeopleStores, userId: string, device?: StoredDevice): Promise<Tokens> {
  const tools = toolsOf(system);
  const account = await tools.accounts.read(userId);
  if (account === undefined) throw new Error(`There is no account ${userId}`);
  return beginSession(
    tools,
    account,
    { id: newId(), token: newToken(), at: Date.now() },
    { address: '127.0.0.1', userAgent: 'node', ...(device && { device }) },
  );
}

function nameOf({
  username = '',
  email = '',
  phone = '',
}: ContactIdentity): Pick<Registered, 'name' | 'mail' | 'phone'> {
  return { name: username, mail: email, phone };
}

/** Returns the directory entry of a numbered person (engines/directory/seed.ts). */
function entryOf(person: number): ContactIdentity {
  const { username, fullName, email, phone } = personOf(person);
  const directoryId = `bea00000-0000-4000-8000-000000000${String(person).padStart(3, '0')}`;
  return { directoryId, username, fullName, email, phone, groups: [] };
}

type Tools = Pick<SessionBeginDeps, 'accountFacts' | 'sessions' | 'sessionLife' | 'tokens' | 'config' | 'events'> & {
  devices: ReturnType<typeof createDevices>;
  accounts: ReturnType<typeof createAccounts>;
  /** Hashes a secret once and caches the hash. */
  hash(secret: string): Promise<string>;
};

const known = new WeakMap<PeopleStores, Tools>();

/** Returns the connections and keys of a system; they are closed with it. */
function toolsOf(system: PeopleStores): Tools {
  const tools = known.get(system) ?? openTools(system);
  known.set(system, tools);
  return tools;
}

function openTools(system: PeopleStores): Tools {
  const config = readConfig('api', system.processes.env('api'));
  const { KEYS: keys } = config;
  const database = connectMongo(system.ready.databaseUrl, () => undefined);
  const redis = connectRedis(system.ready.redisUrl, () => undefined);
  system.folder.onClose(async () => {
    redis.disconnect();
    await database[Symbol.asyncDispose]();
  });
  const passwords = createPasswords(keys.keys('pepper'), config.ARGON2_CONCURRENCY);
  const hashes = new Map<string, Promise<string>>();
  const around = createFactChanges(redis);
  return {
    config,
    accounts: createAccounts(database.connection, keysIn(keys, 'identity'), keys.cipher('field'), {
      around,
    }),
    devices: createDevices(database.connection, { changed: createInboxDevices(redis).writeDevices, around }),
    accountFacts: createAccountFacts(redis, keys.cipher('facts')),
    sessions: createAuthSessions(redis, { sessions: keys.mac('session'), persons: keys.mac('person') }),
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
