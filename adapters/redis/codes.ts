/**
 * One-time codes: `otp:{subject}:{purpose}` contains the keyed hash of the valid code until it expires,
 * `verification:{subject}:{purpose}` HASH the sends and checks. Both share a hash tag; each step is one script.
 *
 * Consistency: repeats of a send use the same code; an attempt is counted before the comparison. A code is stored as
 * HMAC-SHA-256 bound to subject and purpose, and encrypted until the provider has it. When Redis is unavailable: fails
 * closed. The time is that of Redis, so that a process whose clock is wrong neither shortens nor lengthens a code; a given
 * `now`, in milliseconds, replaces it.
 */
import type { CheckState, CodeSubject, VerificationRules } from '../../domain/verification.ts';
import { type Cipher, keyedHash } from '../../platform/crypto.ts';
import { loadScript, type Redis, timeOf } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** The state of a send before the provider is called. */
export interface StartedSend {
  /** `new`: never attempted. `started`: a provider may have it. `sent`: a provider has it. */
  state: 'new' | 'started' | 'sent';
  /** The code to send; absent once it was sent. */
  code?: string;
  startedAt: number;
  sentAt?: number;
  providerId?: string;
}

/** A send that a provider accepted: how long its code lives from now on, and the id of the message there. */
interface AcceptedSend {
  ttlSeconds: number;
  providerId: string;
}

/** `already`: this code was verified before. `early`: the next check is possible later. `none`: no code was sent. */
export type CheckOutcome = 'verified' | 'already' | 'wrong' | 'early' | 'exhausted' | 'expired' | 'none';

/** The result of a check. `left` is the number of attempts left, `send` the send whose code was correct. */
export interface CheckAnswer {
  outcome: CheckOutcome;
  left: number;
  send?: number;
  /** After `early`: milliseconds until the next check is possible. */
  waitMs?: number;
}

/** The state of the checks when it was read, in milliseconds since the Unix epoch. */
export interface ReadCheckState extends CheckState {
  readAt: number;
}

/** The store of one-time codes. */
export type Codes = ReturnType<typeof createCodes>;

/** How long sends are stored after the last one: longer than the longest wait for a provider. */
const lifeSeconds = keyFamilies.verification.life.seconds;

/**
 * Creates the store of codes. The first of `hashKeys` keys the hashes, with the others codes are checked as well. `cipher`
 * encrypts a code until it is sent; only the process that sends codes has it.
 */
export function createCodes(redis: Redis, hashKeys: readonly Buffer[], cipher?: Cipher) {
  const start = loadScript(redis, 'code-start');
  const sent = loadScript(redis, 'code-sent');
  const refused = loadScript(redis, 'code-refused');
  const check = loadScript(redis, 'code-check');
  const hashesOf = ({ subject, purpose }: CodeSubject, code: string) =>
    hashKeys.map((key) => keyedHash(key, subject, purpose, code));

  return {
    /**
     * Starts a send with the code `candidate`, unless it has a code already. Safe to repeat: keyed by subject and send.
     */
    async start(of: CodeSubject, send: number, candidate: string, now?: number): Promise<StartedSend> {
      if (cipher === undefined) throw new Error('This process sends no codes');
      const [hash = ''] = hashesOf(of, candidate);
      const values = [send, hash, cipher.encryptText(candidate), now ?? '', lifeSeconds];
      const reply = await start([keys.verification(of)], values);
      return startedSendIn(reply, cipher);
    },

    /** Records that the provider has a send. Returns the time of the first such record, in ms. Safe to repeat. */
    async sent(of: CodeSubject, send: number, { ttlSeconds, providerId }: AcceptedSend, now?: number): Promise<number> {
      return Number(await sent([keys.verification(of), keys.otp(of)], [send, now ?? '', ttlSeconds, providerId]));
    },

    /** Undoes a send that no provider accepted, so that its code is not valid. Safe to repeat. */
    async refused(of: CodeSubject, send: number): Promise<void> {
      await refused([keys.verification(of)], [send]);
    },

    /** Counts an attempt and compares the code. */
    async check(
      of: CodeSubject,
      code: string,
      { checksMax, checkWaitsSeconds = [] }: Pick<VerificationRules, 'checksMax' | 'checkWaitsSeconds'>,
      now?: number,
    ): Promise<CheckAnswer> {
      const waits = checkWaitsSeconds.map((seconds) => seconds * 1000);
      const reply = await check(
        [keys.verification(of), keys.otp(of)],
        [hashesOf(of, code).join(' '), checksMax, now ?? '', ...waits],
      );
      const [outcome, left, send, waitMs] = reply as [CheckOutcome, number, number | undefined, number | undefined];
      return { outcome, left, ...(send && { send }), ...(waitMs && { waitMs }) };
    },

    /** Returns the check state of the newest code, or undefined if no code was started. */
    async read(of: CodeSubject, now?: number): Promise<ReadCheckState | undefined> {
      const [fields, readAt] = await Promise.all([redis.hgetall(keys.verification(of)), now ?? timeOf(redis)]);
      const state = checkStateIn(fields);
      return state && { ...state, readAt };
    },

    /** Deletes every code of the subject. */
    async remove(of: CodeSubject): Promise<void> {
      await redis.del(keys.verification(of), keys.otp(of));
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
  const [state, encrypted, startedAt, sentAt, providerId] = reply as [StartedSend['state'], ...(string | null)[]];
  return {
    state,
    startedAt: Number(startedAt),
    ...(encrypted && { code: cipher.decryptText(encrypted) }),
    ...(sentAt && { sentAt: Number(sentAt) }),
    ...(providerId && { providerId }),
  };
}
