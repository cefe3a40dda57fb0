/**
 * One-time codes: `otp:{subject}:{purpose}` holds the keyed hash of the valid code for its life,
 * `verification:{subject}:{purpose}` HASH the sends and checks. Both share a hash tag; each step is one script.
 *
 * Consistency: a send makes its code once, whoever repeats it; a try is counted before it is compared. A code is stored
 * as HMAC-SHA-256 bound to subject and purpose, and, sealed, until the provider has it. Away: fails closed.
 */
import type { CheckState, CodeSubject, VerificationRules } from '../../domain/verification.ts';
import { type Cipher, keyedHash } from '../../platform/crypto.ts';
import { loadScript, type Redis } from './connect.ts';
import { type DeliveryAttempt, openAttempts, readAttempts } from './delivery-attempts.ts';

/** A send as it stands before the provider is called. */
export interface StartedSend {
  /** `new`: never tried. `started`: the provider may have it. `sent`: it has it. */
  state: 'new' | 'started' | 'sent';
  /** The code to send; absent once it was sent. */
  code?: string;
  startedAt: number;
  sentAt?: number;
  providerId?: string;
  /** Who is to carry it, in order, as decided once. */
  attempts: DeliveryAttempt[];
}

/** `already`: this code proved it before. `early`: the next check is possible later. `none`: nothing was sent. */
export type CheckOutcome = 'verified' | 'already' | 'wrong' | 'early' | 'exhausted' | 'expired' | 'none';

/** What came of a check. `left` is what the newest code has left, `send` the one whose code was right. */
export interface CheckAnswer {
  outcome: CheckOutcome;
  left: number;
  send?: number;
  /** After `early`: milliseconds until the next check is possible. */
  waitMs?: number;
}

export type Codes = ReturnType<typeof createCodes>;

/** How long sends are remembered after the last one: beyond the longest stay for a provider. */
const lifeSeconds = 2 * 86_400;

/** Creates the store of codes; `hashKey` keys the hashes, `cipher` seals a code until it is sent. */
export function createCodes(redis: Redis, hashKey: Buffer, cipher: Cipher) {
  const start = loadScript(redis, 'code-start');
  const sent = loadScript(redis, 'code-sent');
  const refused = loadScript(redis, 'code-refused');
  const check = loadScript(redis, 'code-check');
  const hashOf = ({ subject, purpose }: CodeSubject, code: string) => keyedHash(hashKey, subject, purpose, code);

  return {
    /** Begins a send, with `candidate` as its code if it has none yet. Safe to repeat: keyed by subject and send. */
    async start(
      of: CodeSubject,
      send: number,
      candidate: string,
      now: number,
      providers: readonly string[] = [],
    ): Promise<StartedSend> {
      const encrypted = cipher.encryptText(candidate);
      const attempts = JSON.stringify(openAttempts(providers));
      const values = [send, hashOf(of, candidate), encrypted, now, lifeSeconds, attempts];
      const reply = await start([verificationKey(of)], values);
      return startedSendIn(reply, cipher);
    },

    /** Records that the provider has a send; answers when it first did. Safe to repeat. */
    async sent(of: CodeSubject, send: number, at: number, ttlSeconds: number, providerId: string): Promise<number> {
      return Number(await sent([verificationKey(of), otpKey(of)], [send, at, ttlSeconds, providerId]));
    },

    /** Takes a send back that no provider carried: nobody has its code, so it can prove nothing. Safe to repeat. */
    async refused(of: CodeSubject, send: number): Promise<void> {
      await refused([verificationKey(of)], [send]);
    },

    /** Notes how far a send is on its way; before a provider is called, and after it failed. */
    async recordAttempts(of: CodeSubject, send: number, attempts: readonly DeliveryAttempt[]): Promise<void> {
      await redis.hset(verificationKey(of), `attempts:${send}`, JSON.stringify(attempts));
    },

    /** Providers that failed any send of the subject. */
    async failedProviders(of: CodeSubject): Promise<Set<string>> {
      return failedIn(await redis.hgetall(verificationKey(of)));
    },

    /** Counts and compares one try, at an instant in milliseconds. */
    async check(
      of: CodeSubject,
      code: string,
      { checksMax, checkWaitsSeconds = [] }: Pick<VerificationRules, 'checksMax' | 'checkWaitsSeconds'>,
      now: number,
    ): Promise<CheckAnswer> {
      const waits = checkWaitsSeconds.map((seconds) => seconds * 1000);
      const reply = await check([verificationKey(of), otpKey(of)], [hashOf(of, code), checksMax, now, ...waits]);
      const [outcome, left, send, waitMs] = reply as [CheckOutcome, number, number | undefined, number | undefined];
      return { outcome, left, ...(send && { send }), ...(waitMs && { waitMs }) };
    },

    /** Where the checks of the newest code stand; undefined before the first. */
    async read(of: CodeSubject): Promise<CheckState | undefined> {
      return checkStateIn(await redis.hgetall(verificationKey(of)));
    },

    /** Makes every code of the subject worthless. */
    async remove(of: CodeSubject): Promise<void> {
      await redis.del(verificationKey(of), otpKey(of));
    },
  };
}

function checkStateIn(fields: Record<string, string>): CheckState | undefined {
  const { latest } = fields;
  if (latest === undefined) return undefined;
  const expiresAt = fields[`expiresAt:${latest}`];
  const lastCheckAt = fields[`checkedAt:${latest}`];
  return {
    since: Number(fields[`sentAt:${latest}`] ?? fields[`startedAt:${latest}`]),
    checks: Number(fields[`checks:${latest}`]),
    ...(expiresAt && { expiresAt: Number(expiresAt) }),
    ...(lastCheckAt && { lastCheckAt: Number(lastCheckAt) }),
    ...(fields.verifiedAt && { verifiedAt: Number(fields.verifiedAt) }),
  };
}

function startedSendIn(reply: unknown, cipher: Cipher): StartedSend {
  const [state, encrypted, startedAt, sentAt, providerId, way] = reply as [StartedSend['state'], ...(string | null)[]];
  return {
    state,
    attempts: readAttempts(way),
    startedAt: Number(startedAt),
    ...(encrypted && { code: cipher.decryptText(encrypted) }),
    ...(sentAt && { sentAt: Number(sentAt) }),
    ...(providerId && { providerId }),
  };
}

function failedIn(verification: Record<string, string>): Set<string> {
  const attempts = Object.entries(verification)
    .filter(([name]) => name.startsWith('attempts:'))
    .flatMap(([, way]) => readAttempts(way));
  return new Set(
    attempts.filter(({ state }) => state === 'failed' || state === 'lost').map(({ provider }) => provider),
  );
}

function otpKey({ subject, purpose }: CodeSubject): string {
  return `otp:{${subject}}:${purpose}`;
}

function verificationKey({ subject, purpose }: CodeSubject): string {
  return `verification:{${subject}}:${purpose}`;
}
