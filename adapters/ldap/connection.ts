import { once } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type SecureContext, TLSSocket } from 'node:tls';
import { BerReader, Client, type Entry, PasswordPolicyControl, ResultCodeError, type SearchOptions } from 'ldapts';
import type { Secret } from '../../platform/config/secret.ts';
import { Outage, type OutageReason } from './answer.ts';

/** A server and how connections to it are encrypted. */
export interface Target {
  url: string;
  /** Upgrades `ldap://` with StartTLS before anything else is sent. `ldaps://` is encrypted from the start. */
  startTls: boolean;
  secureContext?: SecureContext;
  /** Timeout for opening a connection, and for each request. */
  timeoutMs: number;
}

/** The decision of a server on a bind: accepted (code 0) or refused. */
export interface BindResult {
  /** Result code of RFC 4511 appendix A. */
  code: number;
  /** Diagnostic message of the server. Active Directory puts an error code into it. */
  diagnostic: string;
  /** Error of the password policy control (draft-behera-ldap-password-policy section 6.2), if the server sends it. */
  policyError?: number;
}

/** The account that a connection binds as when it opens. */
export interface Account {
  dn: string;
  password: Secret;
}

/**
 * A pooled connection that opens on demand and reopens after it was lost. It runs one request at a time.
 *
 * @NOTE ldapts reconnects automatically, unencrypted and unbound, when its socket is closed. Here a client gets one
 *   socket that is already open, and no second one.
 */
export class Connection {
  readonly #target: Target;
  readonly #account: Account | undefined;
  #client: Client | undefined;
  #socket: Socket | undefined;
  /** The outage that a socket error stands for, while a connection opens. */
  #fault: Outage | undefined;
  /** Rejects the running request when the socket closes. */
  #abandon: ((outage: Outage) => void) | undefined;

  constructor(target: Target, account?: Account) {
    this.#target = target;
    this.#account = account;
  }

  get isOpen(): boolean {
    return this.#client !== undefined;
  }

  /**
   * Connects, encrypts and, if there is an account, binds as it.
   *
   * @throws {Outage} any step fails. If TLS is configured, only the StartTLS request is sent unencrypted
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

  /** Searches. @throws {Outage} no response in time, or the server cannot search */
  async search(base: string, options: SearchOptions): Promise<Entry[]> {
    const client = this.#opened();
    try {
      return (await this.#within(() => client.search(base, options))).searchEntries;
    } catch (err) {
      throw outageOf(err, 'connection-lost');
    }
  }

  /** Binds as a DN and returns the decision of the server. @throws {Outage} the server could not decide */
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

  /** Unbinds and closes the connection. It can be opened again. */
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

/**
 * Result codes (RFC 4511 appendix A) by which a server decides on a bind. Other codes mean that it could not decide.
 */
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
  // an error code of OpenSSL or Node, which the types declare as an Error
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

/**
 * StartTLS (RFC 4511 section 4.14). It keeps the bytes before the handshake to verify that they are a single response.
 */
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
 * Returns whether bytes are exactly one LDAP message. Bytes injected after the StartTLS response would otherwise be
 * processed as if they had been encrypted (CVE-2011-0411 is this vulnerability in a mail server).
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
