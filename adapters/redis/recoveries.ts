/**
 * Password recoveries: `recovery:{id}` HASH with the encrypted tokens, until it expires;
 * `recoveries:{userId}` ZSET of the recoveries of a user by their expiry; `recovery-token:{hash}` the recovery and use of
 * a token. Tokens are stored only as SHA-256 and encrypted.
 * `pin-hold:{userId}:{channel}` exists while no code by that channel can reset the PIN.
 *
 * Consistency: repeats use the tokens of the first start; of parallel uses of a token one wins. When Redis is
 * unavailable: fails closed.
 */
import { type Cipher, tokenHash } from '../../platform/crypto.ts';
import { loadScript, type Redis } from './connect.ts';
import { keys } from './keys.ts';

/** The tokens of a recovery. `reset`: choose a new password. `stop`: end the recovery. */
export interface RecoveryTokens {
  reset: string;
  stop: string;
}

/** A recovery before its message is sent. */
export interface NewRecovery {
  userId: string;
  /** The channel of its message. */
  channel: ReachChannel;
  /** The epoch of the account. The tokens count in this epoch only. */
  epoch?: number | undefined;
  /** Used unless an earlier attempt stored others. */
  tokens: RecoveryTokens;
  ttlSeconds: number;
}

/** The recovery that a token belongs to. */
export interface Recovery {
  recoveryId: string;
  userId: string;
  /** The channel of its message, which the user has proven to have access to. */
  channel: ReachChannel;
  /** The epoch of the account when it was found; absent before its first change. */
  epoch?: number;
  /** How long its tokens are still valid, in seconds. */
  secondsLeft: number;
}

/** What a code proves access to: the mailbox, or the phone number (by SMS or voice call). */
export type ReachChannel = 'email' | 'sms';

const reachChannels: readonly ReachChannel[] = ['email', 'sms'];

/** The store of password recoveries. */
export type Recoveries = ReturnType<typeof createRecoveries>;

/** Creates the store of recoveries; `cipher` encrypts tokens: only the process that sends them has it. */
export function createRecoveries(redis: Redis, cipher?: Cipher) {
  const take = loadScript(redis, 'recovery-take');
  return {
    /** Starts a recovery and its lifetime, and returns its tokens. Safe to repeat: keyed by its id. */
    async start(recoveryId: string, recovery: NewRecovery): Promise<RecoveryTokens> {
      if (cipher === undefined) throw new Error('This process starts no recoveries');
      const { userId, channel, tokens, ttlSeconds, epoch } = recovery;
      const key = keys.recovery({ recoveryId });
      await redis
        .multi()
        .hsetnx(key, 'tokens', cipher.encryptText(JSON.stringify(tokens)))
        .expire(key, ttlSeconds)
        .exec();
      await list(redis, userId, { recoveryId, ttlSeconds });
      const own = JSON.parse(cipher.decryptText((await redis.hget(key, 'tokens')) ?? '')) as RecoveryTokens;
      for (const use of ['reset', 'stop'] as const) {
        const of = { recoveryId, userId, channel, use, ...(epoch && { epoch }) };
        await redis.set(tokenKey(own[use]), JSON.stringify(of), 'EX', ttlSeconds);
      }
      return own;
    },

    /** Returns the recovery of a token; undefined if it has ended, never existed, or the token is for another use. */
    async find(token: string, use: keyof RecoveryTokens): Promise<Recovery | undefined> {
      const stored = await redis.get(tokenKey(token));
      if (stored === null) return undefined;
      const { use: own, ...recovery } = JSON.parse(stored) as Omit<Recovery, 'secondsLeft'> & { use: string };
      const secondsLeft = await redis.ttl(keys.recovery(recovery));
      // negative when there is none
      return own === use && secondsLeft >= 0 ? { ...recovery, secondsLeft } : undefined;
    },

    /** Returns for how long a recovery of a user is still open, in seconds; 0 without an open one. */
    async openSeconds(userId: string): Promise<number> {
      const ids = await redis.zrange(keys.recoveries({ userId }), `(${Date.now()}`, '+inf', 'BYSCORE');
      // one that has ended has no key, and a negative number here
      const left = await Promise.all(ids.map((recoveryId) => redis.ttl(keys.recovery({ recoveryId }))));
      return Math.max(0, ...left);
    },

    /** Claims a recovery for one use of its token; false if another use has claimed it, or it has ended. */
    async take(recoveryId: string): Promise<boolean> {
      return (await take([keys.recovery({ recoveryId })], [])) === 1;
    },

    /** Releases the claim of a use that had no effect. */
    async refund(recoveryId: string): Promise<void> {
      await redis.hdel(keys.recovery({ recoveryId }), 'taken');
    },

    /** Blocks resetting the PIN of a user by a code on this channel for a time. Safe to repeat. */
    async holdPin(userId: string, channel: ReachChannel, seconds: number): Promise<void> {
      await redis.set(keys.pinHold({ userId, channel }), '1', 'EX', seconds);
    },

    /** Extends an existing block to all channels for a time, because a number or address of the user changes. */
    async spreadPinHold(userId: string, seconds: number): Promise<void> {
      if ((await redis.exists(...reachChannels.map((channel) => keys.pinHold({ userId, channel })))) === 0) return;
      for (const channel of reachChannels) await this.holdPin(userId, channel, seconds);
    },

    /** Returns how long a code by this channel cannot reset the PIN of a user, in seconds; 0 if it can. */
    async pinHeldSeconds(userId: string, channel: ReachChannel): Promise<number> {
      return Math.max(0, await redis.ttl(keys.pinHold({ userId, channel })));
    },

    /** Ends a recovery and invalidates its tokens. Safe to repeat. */
    async end(recoveryId: string): Promise<void> {
      await redis.del(keys.recovery({ recoveryId }));
    },
  };
}

async function list(
  redis: Redis,
  userId: string,
  { recoveryId, ttlSeconds }: { recoveryId: string; ttlSeconds: number },
): Promise<void> {
  const key = keys.recoveries({ userId });
  const now = Date.now();
  const endsAt = now + ttlSeconds * 1000;
  await redis
    .multi()
    .zadd(key, endsAt, recoveryId)
    .zremrangebyscore(key, 0, now)
    .pexpireat(key, endsAt, 'NX')
    .pexpireat(key, endsAt, 'GT')
    .exec();
}

function tokenKey(token: string): string {
  return keys.recoveryToken({ tokenHash: tokenHash(token) });
}
