import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type SecureContext, TLSSocket } from 'node:tls';
import { BerReader, Client, type Entry, PasswordPolicyControl, ResultCodeError, type SearchOptions } from 'ldapts';
import type { Secret } from '../../platform/config.ts';
import { Outage, type OutageReason } from './answer.ts';

/** Where a connection goes and how it is protected. */
export interface Target {
  url: string;
  /** Upgrades `ldap://` before anything is sent; `ldaps://` is encrypted from the start. */
  startTls: boolean;
  secureContext?: SecureContext;
  /** Longest wait for opening as a whole, and for each answer. */
  timeoutMs: number;
}

/** What a server said to a bind that it decided: accepted (code 0) or refused. */
export interface BindResult {
  /** Result code of RFC 4511 appendix A. */
  code: number;
  /** The server's own words; Active Directory hides a sub-code in them. */
  diagnostic: string;
  /** Error of the password policy control (draft-behera-ldap-password-policy section 6.2), where the server sends it. */
  policyError?: number;
}

/** Who a connection binds as when it opens. */
export interface Account {
  dn: string;
  password: Secret;
}

/**
 * One place of a pool: a connection that opens when it is needed and opens anew after it died. Holds one request at a
 * time; its holder has checked it out.
 *
 * @NOTE ldapts connects again by itself, in clear and unbound, when it finds its socket gone. Here a client gets one
 * socket that is already open, and no second one.
 */
export class Connection {
  readonly #target: Target;
  readonly #account: Account | undefined;
  #client: Client | undefined;
  #socket: Socket | undefined;
  /** What the socket's error meant, while a connection opens. */
  #fault: Outage | undefined;
  /** Ends the request under way when the socket dies under it. */
  #abandon: ((outage: Outage) => void) | undefined;

  constructor(target: Target, account?: Account) {
    this.#target = target;
    this.#account = account;
  }

  get isOpen(): boolean {
    return this.#client !== undefined;
  }

  /**
   * Connects, encrypts and binds as the account, if there is one.
   *
   * @throws {Outage} when any of it fails; nothing but StartTLS is ever sent in clear where TLS is asked for
   */
  async open(): Promise<void> {
    try {
      await this.#within(async () => {
        this.#client = await this.#connect();
        if (this.#account) await bindAccount(this.#client, this.#account);
      });
    } catch (err) {
      const fault = this.#fault;
      this.#drop(new Outage('connection-lost'));
      throw err instanceof Outage || err instanceof ResultCodeError || fault === undefined
        ? outageOf(err, 'unreachable')
        : fault;
    }
  }

  /** Searches. @throws {Outage} when no answer comes or the server cannot search */
  async search(base: string, options: SearchOptions): Promise<Entry[]> {
    const client = this.#opened();
    try {
      return (await this.#within(() => client.search(base, options))).searchEntries;
    } catch (err) {
      throw outageOf(err, 'connection-lost');
    }
  }

  /** Binds as a person and says what the server decided. @throws {Outage} when it could not decide */
  async bind(dn: string, password: string): Promise<BindResult> {
    const client = this.#opened();
    const policy = new PasswordPolicyControl();
    const policyError = () => (policy.value?.error === undefined ? {} : { policyError: policy.value.error });
    try {
      await this.#within(() => client.bind(dn, password, policy));
      return { code: 0, diagnostic: '', ...policyError() };
    } catch (err) {
      if (err instanceof ResultCodeError && decisions.has(err.code)) {
        return { code: err.code, diagnostic: err.message, ...policyError() };
      }
      throw outageOf(err, 'connection-lost');
    }
  }

  /** Takes leave of the server (unbind) and closes; it may be opened again. */
  async close(): Promise<void> {
    const socket = this.#socket;
    const client = this.#client;
    this.#socket = undefined;
    this.#client = undefined;
    await client?.unbind().catch(() => socket?.destroy());
  }

  #opened(): Client {
    if (!this.#client) throw new Outage('connection-lost');
    return this.#client;
  }

  async #connect(): Promise<Client> {
    const { url, startTls, secureContext } = this.#target;
    const isLdaps = url.startsWith('ldaps:');
    const address = addressOf(url);
    const tls: ConnectionOptions = {
      host: address.host,
      ...(isIP(address.host) === 0 && { servername: address.host }),
      ...(secureContext && { secureContext }),
    };
    const socket = this.#watch(isLdaps ? connectTls({ ...tls, port: address.port }) : connectTcp(address));
    socket.setKeepAlive(true, 30_000);
    socket.setNoDelay(true);
    await once(socket, isLdaps ? 'secureConnect' : 'connect');
    const received: Buffer[] = [];
    const client = clientOn(socket, (options) => {
      if (!isOneMessage(Buffer.concat(received))) throw new Outage('tls-failed');
      return this.#watch(connectTls(options));
    });
    if (startTls && !isLdaps) await upgrade(client, socket, tls, received);
    return client;
  }

  #watch<S extends Socket>(socket: S): S {
    let isConnected = !socket.connecting;
    this.#socket = socket;
    this.#fault = undefined;
    socket.once('connect', () => {
      isConnected = true;
    });
    socket.once('error', () => {
      this.#fault = faultOf(socket, isConnected);
    });
    socket.once('close', () => {
      if (this.#socket === socket) this.#drop(this.#fault ?? new Outage('connection-lost'));
    });
    return socket;
  }

  async #within<T>(request: () => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#abandon = reject;
    const timer = setTimeout(() => this.#drop(new Outage('timeout')), this.#target.timeoutMs);
    request().then(resolve, reject);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#abandon = undefined;
    }
  }

  #drop(outage: Outage): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#client = undefined;
    this.#abandon?.(outage);
    socket?.destroy();
  }
}

/** Result codes (RFC 4511 appendix A) by which a server decides on a person; any other says that it could not. */
const decisions = new Set([19, 32, 48, 49, 53]);

const reasons: Readonly<Record<number, OutageReason>> = {
  8: 'confidentiality-required',
  10: 'referral',
  13: 'confidentiality-required',
  32: 'base-missing',
  51: 'busy',
  52: 'busy',
};

function outageOf(err: unknown, otherwise: OutageReason): Outage {
  if (err instanceof Outage) return err;
  if (err instanceof ResultCodeError) return new Outage(reasons[err.code] ?? 'server-error', String(err.code));
  return new Outage(otherwise);
}

function faultOf(socket: Socket, isConnected: boolean): Outage {
  if (!isConnected) return new Outage('unreachable');
  if (!(socket instanceof TLSSocket)) return new Outage('connection-lost');
  // a code of OpenSSL or of Node, which its types call an error
  const refused = socket.authorizationError as unknown as string | { code?: string } | null;
  if (!refused) return new Outage('tls-failed');
  return new Outage('certificate-refused', typeof refused === 'string' ? refused : refused.code);
}

function addressOf(url: string): { host: string; port: number } {
  const { hostname, port, protocol } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (protocol === 'ldaps:' ? 636 : 389) };
}

function clientOn(socket: Socket, secure: (options: ConnectionOptions) => TLSSocket): Client {
  let isTaken = false;
  return new Client({
    url: 'ldap://directory',
    createConnection: () => {
      if (isTaken) throw new Outage('connection-lost');
      isTaken = true;
      return socket;
    },
    createSecureConnection: secure as typeof connectTls,
  });
}

/** StartTLS (RFC 4511 section 4.14). What comes before the handshake is kept, to see that it is the one answer. */
async function upgrade(client: Client, socket: Socket, tls: ConnectionOptions, received: Buffer[]): Promise<void> {
  const keep = (bytes: Buffer) => received.push(bytes);
  socket.on('data', keep);
  try {
    await client.startTLS(tls);
  } catch (err) {
    throw err instanceof ResultCodeError ? new Outage('start-tls-refused') : err;
  } finally {
    socket.off('data', keep);
  }
}

/**
 * Whether bytes are one LDAP message and nothing behind it. Bytes slipped in behind the answer to StartTLS would be
 * read as if they had come encrypted (CVE-2011-0411 is this fault in a mail server).
 */
function isOneMessage(bytes: Buffer): boolean {
  const reader = new BerReader(bytes);
  return reader.readSequence() !== null && reader.offset + reader.length === bytes.length;
}

async function bindAccount(client: Client, account: Account): Promise<void> {
  try {
    await client.bind(account.dn, account.password.reveal());
  } catch (err) {
    const isRefused = err instanceof ResultCodeError && decisions.has(err.code);
    throw isRefused ? new Outage('service-bind-refused') : err;
  }
}
