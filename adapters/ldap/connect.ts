/**
 * The directory: asks LDAP servers whether a name and a password belong together, and who the person is.
 *
 * Consistency: every question goes to the server, nothing is cached; with several servers an answer is as fresh as
 * the replica that gave it. Referrals are not followed: list the servers that hold the entries.
 *
 * Timeouts: opening a connection (with TLS and service bind), a search and a bind each wait at most `timeoutMs`, a
 * request waits at most twice that for a free connection.
 *
 * When the directory is away: the servers are tried in order; one that cannot be connected to, or fails half of its
 * requests, is left alone for `retryMs`, then tried by one request. When none is left the answer is `unavailable`, at
 * once; connections come back by themselves. Where TLS is asked for and not given, no name and no password is sent.
 */
import { randomUUID } from 'node:crypto';
import { createSecureContext, getCACertificates } from 'node:tls';
import { type Entry, Filter, FilterParser } from 'ldapts';
import type { Config, Secret } from '../../platform/config.ts';
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
import { createServer, type Purpose, type Server } from './server.ts';

/** How the directory is reached and read. */
export interface DirectoryOptions {
  /** `ldap://` and `ldaps://` servers that hold the same entries, in the order they are tried. */
  urls: readonly string[];
  /** Upgrades `ldap://` by StartTLS; without it what goes to `ldap://` goes in clear. */
  startTls: boolean;
  /** Authority of the servers' certificates, as PEM; the system's without it. */
  ca?: string | undefined;
  /** Service account that searches. */
  bindDn: string;
  bindPassword: Secret;
  /** Where people are searched, with everything below. */
  baseDn: string;
  /** Finds a person; every `{username}` in it is replaced, escaped by RFC 4515. */
  userFilter: string;
  attributes: Attributes;
  timeoutMs: number;
  /** Connections to each server. */
  poolMax: number;
  /** How long a server that failed is left alone; five seconds without it. */
  retryMs?: number;
  /** By which refusals leave evenly; that of the process without it. */
  clock?: Clock;
}

/** The variables of the directory. */
type DirectoryConfig = Pick<Config<'directory'>, Extract<keyof Config<'directory'>, `LDAP_${string}`>>;

/** What the configuration says of the directory. */
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

/** The directory in use. */
export interface Directory {
  /** Says whose name and password these are. Refusals and outages are answers, not errors. */
  authenticate(username: string, password: string): Promise<DirectoryAnswer>;
  /** Says how a name stands now; asks for nobody's password. Outages are answers, not errors. */
  entryStatusOf(username: string): Promise<EntryStatusAnswer>;
  /** Resolves when a server answers. @throws {Outage} when none does */
  ping(): Promise<void>;
  /** Closes every connection when the requests under way are done. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Prepares the directory; connections open with the first request, so that a process starts while it is away.
 *
 * @throws {Error} when the filter is no filter of RFC 4515
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

/** The servers of a directory, in the order they are tried. */
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
 * Refusals leave at whole tenths of a second: a wrong password makes a server write down the failure, an unknown name
 * does not, and without the wait that difference would tell who exists.
 */
async function authenticate(
  servers: readonly Server[],
  options: DirectoryOptions,
  credentials: Credentials,
): Promise<DirectoryAnswer> {
  if (!canBind(credentials.password)) return refused('empty-password');
  const { clock = processClock } = options;
  const beganAt = clock.now();
  const answer = await ask(servers, options, credentials);
  if (answer.outcome === 'refused') await padResponseTime(beganAt, clock);
  return answer;
}

/**
 * Search, then bind as the entry found. A name nobody has, or several have, is work of the same kind: a bind as an
 * entry that cannot exist.
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
    const person = isOne ? readEntry(entry, options.attributes) : undefined;
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
 * A name with an empty password is the "unauthenticated" bind, which succeeds without proving anything (RFC 4513
 * section 5.1.2), and a server in C may cut a password at NUL. The type is checked as well, because for ldapts no
 * password is an empty one.
 */
function canBind(password: unknown): boolean {
  return typeof password === 'string' && password !== '' && !password.includes('\0');
}

/** At most two: the second shows that the name is ambiguous. */
function findEntries(connection: Connection, options: DirectoryOptions, username: string): Promise<Entry[]> {
  return connection.search(options.baseDn, {
    scope: 'sub',
    filter: filterFor(options.userFilter, username),
    sizeLimit: 2,
    timeLimit: Math.ceil(options.timeoutMs / 1000),
    attributes: [...new Set([...Object.values(options.attributes), ...marks])],
    explicitBufferAttributes: ['objectGUID'],
  });
}

/** The filter that finds a person, with the name escaped by RFC 4515. */
export function filterFor(template: string, username: string): string {
  return template.replaceAll('{username}', () => Filter.escape(username));
}

/** The root entry of a server (RFC 4512 section 5.1), without its attributes. */
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
