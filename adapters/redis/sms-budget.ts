/**
 * What messages have cost: `ratelimit:{cost}:{day}`, thousandths of the currency, by days of UTC. Away: fails closed,
 * nothing that costs money is sent.
 */
import { loadScript, type Redis } from './connect.ts';

export type SmsBudget = ReturnType<typeof createSmsBudget>;

const daySeconds = 86_400;

/** Creates the account of what was spent; amounts are thousandths. */
export function createSmsBudget(redis: Redis) {
  const script = loadScript(redis, 'sms-budget');
  const keyOf = (now: number) => `ratelimit:{cost}:${new Date(now).toISOString().slice(0, 10)}`;
  return {
    /** Spends an amount if the day still has it: one atomic step. Otherwise the seconds until the next day. */
    async spend(amount: number, maxOfDay: number, now: number): Promise<{ allowed: boolean; resetSeconds: number }> {
      const allowed = (await script([keyOf(now)], [amount, maxOfDay, 2 * daySeconds])) === 1;
      return { allowed, resetSeconds: daySeconds - (Math.floor(now / 1000) % daySeconds) };
    },

    /** Gives back an amount that was spent at an instant. */
    async refund(amount: number, spentAt: number): Promise<void> {
      await redis.decrby(keyOf(spentAt), amount);
    },
  };
}
