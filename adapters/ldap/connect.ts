/**
 * The directory: verifies user names and passwords with LDAP servers, and reads the entries of people.
 *
 * Consistency: nothing is cached; with several servers an answer is as current as the replica that returned it.
 * Referrals are not followed: configure the servers that contain the entries.
 *
 * Timeouts: opening a connection (with TLS and service bind), a search and a bind take at most `timeoutMs` each; a
 * request waits at most twice that for a free connection.
 *
 * Outages: the servers are tried in order. If a server cannot be reached, or half of its requests fail, its circuit
 * breaker opens for `retryMs`; then one request tries it again. If no server is left, the answer is `unavailable`
 * immediately. If TLS is configured and cannot be established, no user name and no password is sent.
 */
import { randomUUID } from 'node:crypto';
import { type Entry, FilterParser } from 'ldapts';
import type { DirectoryPerson, EntryStatus } from '../../domain/directory.ts';
import { preparePassword } from '../../domain/passwords.ts';
import type { Config } from '../../platform/config/config.ts';
import type { Secret } from '../../platform/config/secret.ts';
import { type Clock, padResponseTime, processClock } from '../../platform/lifecycle.ts';
import { createTlsContext } from '../../platform/tls.ts';
import {
  type DirectoryAnswer,
  type DirectoryEntry,
  type EntryStatusAnswer,
  Outage,
  type RefusalReason,
} from './answer.ts';
import { type Attributes, isMarkedDisabled, marks, readEntry, readRefusal, readValues } from './bind-result.ts';
import type { BindResult, Connection, Target } from './connection.ts';
import { filterFor, filterForId } from './filters.ts';
import { withWholeRanges } from './ranges.ts';
import { createServer, type Purpose, type Server } from './server.ts';

/** The options of `connectDirectory`. */
export interface DirectoryOptions {
  /** `ldap://` and `ldaps://` servers with the same entries, in the order in which they are tried. */
  urls: readonly string[];
  /** Upgrades `ldap://` with StartTLS. Without it `ldap://` is not encrypted. */
  startTls: boolean;
  /** CA certificates of the servers as PEM; default those of Node and of the system. */
  ca?: Secret | undefined;
  /** DN of the service account that searches. */
  bindDn: string;
  bindPassword: Secret;
  /** Base DN of searches, which include the whole subtree. */
  baseDn: string;
  /** Search filter for a person. Each `{username}` is replaced by the user name, escaped as in RFC 4515. */
  userFilter: string;
  attributes: Attributes;
  timeoutMs: number;
  /** Maximum number of connections to each server. */
  poolMax: number;
  /** How long the circuit breaker of a failed server stays open; default 5 s. */
  retryMs?: number;
  /** Clock for the padding of response times; default the clock of the process. */
  clock?: Clock;
}

/** The configuration variables of the directory. */
type DirectoryConfig = Pick<Config<'directory'>, Extract<keyof Config<'directory'>, `LDAP_${string}`>>;

/** Reads the options of the directory from the configuration. */
export function readDirectoryOptions(config: DirectoryConfig): DirectoryOptions {
  return {
    urls: config.LDAP_URL,
    startTls: config.LDAP_START_TLS,
    ca: config.LDAP_TLS_CA,
    bindDn: config.LDAP_BIND_DN,
    bindPassword: config.LDAP_BIND_PASSWORD,
    baseDn: config.LDAP_BASE_DN,
    userFilter: config.LDAP_USER_FILTER,
    attributes: {
      id: config.LDAP_ATTRIBUTE_ID,
      username: config.LDAP_ATTRIBUTE_USERNAME,
      name: config.LDAP_ATTRIBUTE_NAME,
      mail: config.LDAP_ATTRIBUTE_MAIL,
      phone: config.LDAP_ATTRIBUTE_PHONE,
      groups: config.LDAP_ATTRIBUTE_GROUPS,
    },
    timeoutMs: config.LDAP_TIMEOUT,
    poolMax: config.LDAP_POOL_MAX,
  };
}

/** Options of `authenticate`. */
interface BindOptions {
  /** Immutable id of the entry, which then is found by it whatever its user name is. */
  directoryId?: string | undefined;
  /**
   * Called before the bind with the id of the entry that was found; undefined for none, so that the work is the same.
   * False: the password is not tried, and the answer is `limited`.
   */
  admit?: (id: string | undefined) => Promise<boolean>;
}

/** The client of the directory. */
export interface Directory {
  /** Verifies a user name and password. Refusals and outages are answers, not errors. */
  authenticate(username: string, password: string, options?: BindOptions): Promise<DirectoryAnswer>;
  /** Returns the status of a person, without a password. Outages are answers, not errors. */
  entryStatusOf(person: DirectoryPerson): Promise<EntryStatusAnswer>;
  /** Resolves if a server answers. @throws {Outage} no server answers */
  ping(): Promise<void>;
  /** Closes all connections after the running requests have ended. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Creates the client. Connections open with the first request, so that a process can start during an outage.
 *
 * @throws {Error} the user filter is not a valid filter (RFC 4515)
 */
export function connectDirectory(options: DirectoryOptions): Directory {
  FilterParser.parseString(filterFor(options.userFilter, 'name'));
  const { poolMax, retryMs = 5000 } = options;
  const account = { dn: options.bindDn, password: options.bindPassword };
  const servers = targetsOf(options).map((target) => createServer({ ...target, poolMax, retryMs }, account));
  const close = async () => {
    await Promise.all(servers.map((server) => server.close()));
  };
  return {
    authenticate: (username, password, bind) => authenticate(servers, options, { ...bind, username, password }),
    entryStatusOf: (person) => entryStatusOf(servers, options, person),
    ping: () => onFirst(servers, 'search', readRoot),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Returns the servers of a directory in the order in which they are tried. */
export function targetsOf({ urls, startTls, timeoutMs, ca }: DirectoryOptions): Target[] {
  const isEncrypted = startTls || urls.some((url) => url.startsWith('ldaps:'));
  const secureContext = isEncrypted && createTlsContext({ ca });
  return urls.map((url) => ({ url, startTls, timeoutMs, ...(secureContext && { secureContext }) }));
}

interface Credentials extends BindOptions {
  username: string;
  password: string;
}

/**
 * Refusals are returned at multiples of 100 ms. A server records a wrong password, but not an unknown user name;
 * without the padding, the difference in time would reveal which user names exist.
 */
async function authenticate(
  servers: readonly Server[],
  options: DirectoryOptions,
  credentials: Credentials,
): Promise<DirectoryAnswer> {
  if (!canBind(credentials.password)) return refused('empty-password');
  const { clock = processClock } = options;
  const beganAt = clock.now();
  // RFC 4513 section 5.1.3; a second bind with the typed form would count as a second wrong password there
  const password = preparePassword(credentials.password);
  const answer = await ask(servers, options, { ...credentials, password });
  if (answer.outcome === 'refused') await padResponseTime(beganAt, clock);
  return answer;
}

/**
 * Searches, then binds as the entry found. For an unknown or ambiguous user name, and for an entry whose tries are used
 * up, it binds as an entry that cannot exist, so that the work is the same.
 */
async function ask(
  servers: readonly Server[],
  options: DirectoryOptions,
  { username, password, directoryId, admit = everyone }: Credentials,
): Promise<DirectoryAnswer> {
  try {
    const sought = { username, ...(directoryId && { directoryId }) };
    const entries = await onFirst(servers, 'search', (connection) => findEntries(connection, options, sought));
    const [entry] = entries;
    const isOne = entry !== undefined && entries.length === 1;
    const person = isOne ? readEntry(entry, options.attributes, username) : undefined;
    const isAdmitted = await admit(person?.id);
    const dn = dnOf(isAdmitted ? person : undefined, options);
    const bind = await onFirst(servers, 'bind', (connection) => connection.bind(dn, password));
    if (entry === undefined) return refused('unknown');
    return person ? decisionOf({ entry, person, isAdmitted, bind }) : refused('ambiguous');
  } catch (err) {
    if (err instanceof Outage) return { outcome: 'unavailable', reason: err.reason };
    throw err;
  }
}

async function everyone(): Promise<boolean> {
  return true;
}

interface BoundEntry {
  entry: Entry;
  person: DirectoryEntry;
  isAdmitted: boolean;
  bind: BindResult;
}

function decisionOf({ entry, person, isAdmitted, bind }: BoundEntry): DirectoryAnswer {
  const refusal = isAdmitted ? readRefusal(bind, entry) : 'limited';
  return refusal ? refused(refusal) : { outcome: 'ok', entry: person };
}

/** Returns the DN of a person, or one that cannot exist. */
function dnOf(person: DirectoryEntry | undefined, { baseDn }: DirectoryOptions): string {
  return person?.dn ?? `cn=${randomUUID()},${baseDn}`;
}

async function entryStatusOf(
  servers: readonly Server[],
  options: DirectoryOptions,
  person: DirectoryPerson,
): Promise<EntryStatusAnswer> {
  try {
    return entryStatusIn(
      await onFirst(servers, 'search', (connection) => findEntries(connection, options, person)),
      options,
    );
  } catch (err) {
    if (err instanceof Outage) return { entryStatus: 'unavailable', reason: err.reason };
    throw err;
  }
}

function entryStatusIn(entries: Entry[], { attributes }: DirectoryOptions): EntryStatus {
  const [entry] = entries;
  if (entry === undefined) return { entryStatus: 'missing' };
  if (entries.length > 1) return { entryStatus: 'ambiguous' };
  const { id } = readEntry(entry, attributes);
  return { entryStatus: isMarkedDisabled(entry) ? 'disabled' : 'active', id, ...readValues(entry, attributes) };
}

function refused(reason: RefusalReason): DirectoryAnswer {
  return { outcome: 'refused', reason };
}

/**
 * A bind with an empty password is an "unauthenticated" bind, which succeeds without verification (RFC 4513 section
 * 5.1.2), and a server written in C may cut a password at NUL. The type is checked too, because ldapts sends a missing
 * password as an empty one.
 */
function canBind(password: unknown): boolean {
  return typeof password === 'string' && password !== '' && !password.includes('\0');
}

/**
 * Returns at most two entries: a second one shows that the user name is ambiguous. A single one has all its values. An id
 * goes before a user name.
 */
async function findEntries(
  connection: Connection,
  options: DirectoryOptions,
  { directoryId, username = '' }: DirectoryPerson,
): Promise<Entry[]> {
  const { userFilter, attributes } = options;
  const timeLimit = Math.ceil(options.timeoutMs / 1000);
  const found = await connection.search(options.baseDn, {
    scope: 'sub',
    filter:
      directoryId === undefined ? filterFor(userFilter, username) : filterForId(userFilter, attributes.id, directoryId),
    sizeLimit: 2,
    timeLimit,
    attributes: [...new Set([...Object.values(attributes), ...marks])],
    explicitBufferAttributes: ['objectGUID'],
  });
  if (found.length > 1) return found;
  return Promise.all(
    found.map((entry) =>
      withWholeRanges(entry, async (dn, attributes) => {
        const [more] = await connection.search(dn, { scope: 'base', filter: '(objectClass=*)', timeLimit, attributes });
        return more;
      }),
    ),
  );
}

/** Reads the root DSE of a server (RFC 4512 section 5.1), without attributes. */
async function readRoot(connection: Connection): Promise<void> {
  await connection.search('', { scope: 'base', filter: '(objectClass=*)', attributes: ['1.1'] });
}

async function onFirst<T>(
  servers: readonly Server[],
  purpose: Purpose,
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  let outage = new Outage('unreachable');
  for (const server of servers) {
    try {
      return await server.use(purpose, work);
    } catch (err) {
      if (!(err instanceof Outage)) throw err;
      outage = err;
    }
  }
  throw outage;
}
