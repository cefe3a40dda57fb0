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
import { createSecureContext, getCACertificates } from 'node:tls';
import { type Entry, Filter, FilterParser } from 'ldapts';
import { preparePassword } from '../../domain/passwords.ts';
import type { Config } from '../../platform/config/config.ts';
import type { Secret } from '../../platform/config/secret.ts';
import { type Clock, padResponseTime, processClock } from '../../platform/lifecycle.ts';
import {
  type DirectoryAnswer,
  type EntryStatus,
  type EntryStatusAnswer,
  Outage,
  type RefusalReason,
} from './answer.ts';
import { type Attributes, isMarkedDisabled, marks, readEntry, readRefusal } from './bind-result.ts';
import type { Connection, Target } from './connection.ts';
import { withWholeRanges } from './ranges.ts';
import { createServer, type Purpose, type Server } from './server.ts';

/** The options of `connectDirectory`. */
export interface DirectoryOptions {
  /** `ldap://` and `ldaps://` servers with the same entries, in the order in which they are tried. */
  urls: readonly string[];
  /** Upgrades `ldap://` with StartTLS. Without it `ldap://` is not encrypted. */
  startTls: boolean;
  /** CA certificate of the servers, as PEM; default the CAs of the system. */
  ca?: string | undefined;
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

/** The client of the directory. */
export interface Directory {
  /** Verifies a user name and password. Refusals and outages are answers, not errors. */
  authenticate(username: string, password: string): Promise<DirectoryAnswer>;
  /** Returns the status of a user name, without a password. Outages are answers, not errors. */
  entryStatusOf(username: string): Promise<EntryStatusAnswer>;
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
    authenticate: (username, password) => authenticate(servers, options, { username, password }),
    entryStatusOf: (username) => entryStatusOf(servers, options, username),
    ping: () => onFirst(servers, 'search', readRoot),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Returns the servers of a directory in the order in which they are tried. */
export function targetsOf({ urls, startTls, timeoutMs, ca }: DirectoryOptions): Target[] {
  const isEncrypted = startTls || urls.some((url) => url.startsWith('ldaps:'));
  const secureContext = isEncrypted && createSecureContext({ ca: ca ?? getCACertificates('system') });
  return urls.map((url) => ({ url, startTls, timeoutMs, ...(secureContext && { secureContext }) }));
}

interface Credentials {
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
 * Searches, then binds as the entry found. For an unknown or ambiguous user name it binds as an entry that cannot
 * exist, so that the work is the same.
 */
async function ask(
  servers: readonly Server[],
  options: DirectoryOptions,
  { username, password }: Credentials,
): Promise<DirectoryAnswer> {
  try {
    const entries = await onFirst(servers, 'search', (connection) => findEntries(connection, options, username));
    const [entry] = entries;
    const isOne = entry !== undefined && entries.length === 1;
    const person = isOne ? readEntry(entry, options.attributes, username) : undefined;
    const dn = person?.dn ?? `cn=${randomUUID()},${options.baseDn}`;
    const bind = await onFirst(servers, 'bind', (connection) => connection.bind(dn, password));
    if (!person || !entry) return refused(entry ? 'ambiguous' : 'unknown');
    const refusal = readRefusal(bind, entry);
    return refusal ? refused(refusal) : { outcome: 'ok', entry: person };
  } catch (err) {
    if (err instanceof Outage) return { outcome: 'unavailable', reason: err.reason };
    throw err;
  }
}

async function entryStatusOf(
  servers: readonly Server[],
  options: DirectoryOptions,
  username: string,
): Promise<EntryStatusAnswer> {
  try {
    return entryStatusIn(
      await onFirst(servers, 'search', (connection) => findEntries(connection, options, username)),
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
  return isMarkedDisabled(entry)
    ? { entryStatus: 'disabled' }
    : { entryStatus: 'active', id: readEntry(entry, attributes).id };
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

/** Returns at most two entries: a second one shows that the user name is ambiguous. A single one has all its values. */
async function findEntries(connection: Connection, options: DirectoryOptions, username: string): Promise<Entry[]> {
  const timeLimit = Math.ceil(options.timeoutMs / 1000);
  const found = await connection.search(options.baseDn, {
    scope: 'sub',
    filter: filterFor(options.userFilter, username),
    sizeLimit: 2,
    timeLimit,
    attributes: [...new Set([...Object.values(options.attributes), ...marks])],
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

/** Returns the search filter for a user name, escaped as in RFC 4515. */
export function filterFor(template: string, username: string): string {
  return template.replaceAll('{username}', () => Filter.escape(username));
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
