/**
 * Recoveries of forgotten passwords: `recovery:{id}` HASH, its tokens sealed, as long as it lives, and how far its message is;
 * `recovery-token:{hash}` what a token is for. Of a token only SHA-256 and the sealed text are stored. `pin-hold:{userId}:{channel}`
 * while no code by that channel replaces the PIN.
 *
 * Consistency: the tokens are made once, whoever repeats it; of parallel uses of a token one wins. Away: fails closed.
 */
import { type Cipher, tokenHash } from '../../platform/crypto.ts';
import type { Redis } from './connect.ts';
import { type DeliveryAttempt, openAttempts, readAttempts } from './delivery-attempts.ts';

/** `reset`: chooses a new password. `stop`: ends the recovery. */
export interface RecoveryTokens {
  reset: string;
  stop: string;
}

/** A recovery before its message is sent. */
export interface NewRecovery {
  userId: string;
  /** The way of its message. */
  channel: ReachChannel;
  /** Used unless an earlier try has made others. */
  tokens: RecoveryTokens;
  /** Order of providers, decided in the same way. */
  providers: readonly string[];
  ttlSeconds: number;
}

/** A recovery whose message may be on its way. */
export interface StartedRecovery {
  tokens: RecoveryTokens;
  attempts: DeliveryAttempt[];
  isSent: boolean;
}

/** Whose recovery it is. */
export interface Recovery {
  recoveryId: string;
  userId: string;
  /** The way of its message: what the person has proven to reach. */
  channel: ReachChannel;
}

/** What a code by a channel proves: the mailbox, or the number, which calls reach as well. */
export type ReachChannel = 'email' | 'sms';

const reachChannels: readonly ReachChannel[] = ['email', 'sms'];

export type Recoveries = ReturnType<typeof createRecoveries>;

/** Creates the store of recoveries; `cipher` seals tokens. */
export function createRecoveries(redis: Redis, cipher: Cipher) {
  return {
    /** Begins a recovery, whose life counts from here. Safe to repeat: keyed by its id. */
    async start(recoveryId: string, recovery: NewRecovery): Promise<StartedRecovery> {
      const { userId, channel, tokens, providers, ttlSeconds } = recovery;
      const key = recoveryKey(recoveryId);
      await redis
        .multi()
        .hsetnx(key, 'tokens', cipher.encryptText(JSON.stringify(tokens)))
        .hsetnx(key, 'attempts', JSON.stringify(openAttempts(providers)))
        .expire(key, ttlSeconds)
        .exec();
      const stored = await redis.hgetall(key);
      const own = JSON.parse(cipher.decryptText(stored.tokens ?? '')) as RecoveryTokens;
      for (const use of ['reset', 'stop'] as const) {
        await redis.set(tokenKey(own[use]), JSON.stringify({ recoveryId, userId, channel, use }), 'EX', ttlSeconds);
      }
      return { tokens: own, attempts: readAttempts(stored.attempts), isSent: stored.sent !== undefined };
    },

    /** Notes how far its message is on the way. */
    async recordAttempts(recoveryId: string, attempts: readonly DeliveryAttempt[]): Promise<void> {
      await redis.hset(recoveryKey(recoveryId), 'attempts', JSON.stringify(attempts));
    },

    /** Records that a provider has its message. Safe to repeat. */
    async sent(recoveryId: string): Promise<void> {
      await redis.hset(recoveryKey(recoveryId), 'sent', '1');
    },

    /** The recovery that a token is for; undefined when it is over, was never, or the token is for another use. */
    async find(token: string, use: keyof RecoveryTokens): Promise<Recovery | undefined> {
      const stored = await redis.get(tokenKey(token));
      if (stored === null) return undefined;
      const { use: own, ...recovery } = JSON.parse(stored) as Recovery & { use: string };
      return own === use && (await redis.exists(recoveryKey(recovery.recoveryId))) === 1 ? recovery : undefined;
    },

    /** Takes a recovery for one use of its token; false when another use has it. */
    async take(recoveryId: string): Promise<boolean> {
      return (await redis.hsetnx(recoveryKey(recoveryId), 'taken', '1')) === 1;
    },

    /** Gives it back, when nothing came of the use. */
    async refund(recoveryId: string): Promise<void> {
      await redis.hdel(recoveryKey(recoveryId), 'taken');
    },

    /** Has no code by a channel replace the PIN of a person, for so long. Safe to repeat. */
    async holdPin(userId: string, channel: ReachChannel, seconds: number): Promise<void> {
      await redis.set(pinHoldKey(userId, channel), '1', 'EX', seconds);
    },

    /** Has none replace it by any channel, for so long, where one is held: the other leads somewhere else from now. */
    async spreadPinHold(userId: string, seconds: number): Promise<void> {
      if ((await redis.exists(...reachChannels.map((channel) => pinHoldKey(userId, channel)))) === 0) return;
      for (const channel of reachChannels) await this.holdPin(userId, channel, seconds);
    },

    /** How long no code by a channel replaces the PIN of a person, in seconds; 0 when one does. */
    async pinHeldSeconds(userId: string, channel: ReachChannel): Promise<number> {
      return Math.max(0, await redis.ttl(pinHoldKey(userId, channel)));
    },

    /** Ends a recovery: its tokens are worth nothing. Safe to repeat. */
    async end(recoveryId: string): Promise<void> {
      await redis.del(recoveryKey(recoveryId));
    },
  };
}

function recoveryKey(recoveryId: string): string {
  return `recovery:${recoveryId}`;
}

function pinHoldKey(userId: string, channel: ReachChannel): string {
  return `pin-hold:${userId}:${channel}`;
}

function tokenKey(token: string): string {
  return `recovery-token:${tokenHash(token)}`;
}
