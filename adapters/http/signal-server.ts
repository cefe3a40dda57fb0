/**
 * Registration at a Signal-Server, by its REST API.
 *
 * A timeout of 20 s, longer than the 15 s in which the server asks for the verification session. No retries: a workflow
 * repeats. A `Failure` contains nothing of a request or an answer.
 */
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { z } from 'zod';
import { isSignalRefusal, type SignalAccount, type SignalCall, type SignalRefusal } from '../../domain/signal.ts';
import { callJson, type HttpAnswer, type HttpCall, outageOf } from './json.ts';

/** The options of `connectSignalServer`. */
export interface SignalServerOptions {
  baseUrl: string;
  /** Timeout of a request; default 20 s. */
  timeoutMs?: number;
}

/** The account that a registration is for. */
export interface SignalRegistration {
  /** E.164. */
  number: string;
  /** The password of its new device. */
  password: string;
  /** The verification session: 16 bytes in hexadecimal. */
  sessionId: string;
  /** The attributes and keys, as the server expects them. */
  attributes: Record<string, unknown>;
  /** The `User-Agent` of the app, by which the server tells versions apart. */
  userAgent: string;
}

/** The one-time keys of one identity of an account. */
export interface SignalPreKeys {
  account: SignalAccount;
  password: string;
  identity: 'aci' | 'pni';
  /** `preKeys` and `pqPreKeys`, as the server expects them. */
  keys: Record<string, unknown>;
}

/** A registration at a Signal-Server. */
export type SignalServer = ReturnType<typeof connectSignalServer>;

const Registered = z.object({ uuid: z.uuid(), pni: z.uuid(), number: z.string() });
const Locked = z.object({ timeRemaining: z.number().nonnegative() });

const provider = 'signal-server';
const timeoutMsDefault = 20_000;
/** Nobody has this identity (RFC 9562 section 5.9). */
const nobody = '00000000-0000-0000-0000-000000000000';

/** Connects to a Signal-Server. */
export function connectSignalServer({ baseUrl, timeoutMs = timeoutMsDefault }: SignalServerOptions) {
  const call = (request: Omit<HttpCall, 'provider' | 'url' | 'timeoutMs'> & { path: string }): Promise<HttpAnswer> => {
    const { path, ...rest } = request;
    return callJson({ ...rest, provider, url: `${baseUrl}${path}`, timeoutMs });
  };
  return {
    /**
     * Registers a number. The same request again registers the same account and the same device: the server keeps the
     * identity of a number, and stores password and keys as given.
     *
     * @throws {Failure} unavailable
     */
    async register(registration: SignalRegistration): Promise<SignalAccount | SignalRefusal> {
      const { number, password, sessionId, attributes, userAgent } = registration;
      const answer = await call({
        method: 'POST',
        path: '/v1/registration',
        headers: { Authorization: basic(number, password), 'User-Agent': userAgent },
        body: { ...attributes, sessionId: Buffer.from(sessionId, 'hex').toString('base64url') },
      });
      const registered = Registered.safeParse(answer.body);
      if (answer.status === 200 && registered.success) return registered.data;
      return refusalIn('registration', answer);
    },

    /**
     * Stores the one-time keys of an identity; they replace the earlier ones. Returns undefined when they are stored.
     *
     * @throws {Failure} unavailable
     */
    async uploadPreKeys({ account, password, identity, keys }: SignalPreKeys): Promise<SignalRefusal | undefined> {
      const answer = await call({
        method: 'PUT',
        path: `/v2/keys?identity=${identity}`,
        headers: { Authorization: basic(account.uuid, password) },
        body: keys,
      });
      return answer.status === 200 || answer.status === 204 ? undefined : refusalIn('keys', answer);
    },

    /** Asks whether an unknown account exists, which needs no credentials. @throws {Failure} unavailable */
    async ping(): Promise<void> {
      const answer = await call({ method: 'HEAD', path: `/v1/accounts/account/${nobody}`, headers: {} });
      if (answer.status >= 500) throw outageOf(provider, answer);
    },
  };
}

/** Trusts a certificate authority in this process, beside those of the system: `fetch` takes none for one request. */
export function trustAlso(ca: string): void {
  setDefaultCACertificates([...getCACertificates('default'), ca]);
}

/** @throws {Failure} unavailable: any answer that is no refusal */
function refusalIn(call: SignalCall, answer: HttpAnswer): SignalRefusal {
  const { status, headers, body } = answer;
  if (!isSignalRefusal(call, status)) throw outageOf(provider, answer);
  const retryAfter = /^\d{1,9}$/.exec(headers.get('retry-after') ?? '')?.[0];
  const locked = status === 423 ? Locked.safeParse(body).data : undefined;
  return {
    call,
    status,
    // the server truncates, so that 0 is possible
    ...(retryAfter !== undefined && { retryAfterSeconds: Math.max(1, Number(retryAfter)) }),
    ...(locked && { timeRemainingSeconds: Math.ceil(locked.timeRemaining / 1000) }),
  };
}

/** RFC 7617. */
function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}
