/**
 * The daily budget for SMS and voice calls: `ratelimit:{cost}:{day}` contains the cost of a day (UTC) in thousandths of
 * the currency. When Redis is unavailable: fails closed, so that nothing that costs money is sent.
 */
import { loadScript, type Redis, timeOf } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** The daily budget for SMS and voice calls. */
export type SmsBudget = ReturnType<typeof createSmsBudget>;

const daySeconds = 86_400;

/** Creates the budget; amounts are in thousandths of the currency. */
export function createSmsBudget(redis: Redis) {
  const script = loadScript(redis, 'sms-budget');
  const keyOf = (now: number) => keys.smsBudget({ day: new Date(now).toISOString().slice(0, 10) });
  return {
    /**
     * Spends an amount if the daily budget allows it, in one atomic step. The day is that of Redis, so that no clock of a
     * process opens the budget of another day; a given time, in milliseconds, replaces it. `resetSeconds` is the time to
     * the next day, `at` the time of the spending.
     */
    async spend(
      amount: number,
      maxOfDay: number,
      given?: number,
    ): Promise<{ allowed: boolean; resetSeconds: number; at: number }> {
      const now = given ?? (await timeOf(redis));
      const allowed = (await script([keyOf(now)], [amount, maxOfDay, keyFamilies.smsBudget.life.seconds])) === 1;
      return { allowed, resetSeconds: daySeconds - (Math.floor(now / 1000) % daySeconds), at: now };
    },

    /** Refunds an amount that was spent at a time. */
    async refund(amount: number, spentAt: number): Promise<void> {
      await redis.decrby(keyOf(spentAt), amount);
    },
  };
}
