/**
 * The time that a request or a command may take as a whole: its budget. It is passed down by the asynchronous context: each
 * call to an engine takes at most what is left of it, so that the times of calls do not add up. Where there is no answer in
 * time, the request ends without it.
 *
 * A wait for somebody else, such as a long poll or a wait for a workflow, does not count: it has its own time. After its end
 * a budget binds nobody, so that what undoes or completes a request has the usual times.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Failure } from '../domain/failures.ts';
import { type Budget, traces } from './log.ts';

/** The budgets of what has no trace, such as a command. A request has its budget in its trace, because each run of a store costs. */
const budgets = new AsyncLocalStorage<Budget | undefined>();

function currentBudget(): Budget | undefined {
  const trace = traces.getStore();
  const budget = trace === undefined ? budgets.getStore() : trace.budget;
  return budget === undefined || budget.isOver ? undefined : budget;
}

/** Calls end so much earlier than the budget, so that the request ends with the error of the call, which names its system. */
const marginMs = 200;
/** How often a request that waits is looked at. */
const lookMs = 1000;

/** Creates a budget that begins now. */
export function createBudget(ms: number): Budget {
  return { endsAt: performance.now() + ms, isOver: false, waits: 0, waitsSince: 0 };
}

/** Runs a function without a budget: what it does is for many requests, or has its own limit. */
export function runWithoutBudget<T>(act: () => T): T {
  const trace = traces.getStore();
  return trace === undefined ? budgets.run(undefined, act) : traces.run({ ...trace, budget: undefined }, act);
}

/**
 * Resolves with the result of `act` within the budget of the request, or in one of `ms` if it has none.
 *
 * @throws {Failure} unavailable: there is no result in time. `act` is not stopped, but its calls end by then
 */
export function withinBudget<T>(ms: number, act: () => Promise<T>): Promise<T> {
  const begun = currentBudget();
  return begun === undefined ? withNewBudget(ms, act) : untilEnd(begun, act());
}

/** As `withinBudget`, with a budget of its own. */
export function withNewBudget<T>(ms: number, act: () => Promise<T>): Promise<T> {
  const budget = createBudget(ms);
  const trace = traces.getStore();
  if (trace === undefined) return untilEnd(budget, budgets.run(budget, act));
  // the same object: others note in it who is asking
  trace.budget = budget;
  return untilEnd(budget, act());
}

function untilEnd<T>(budget: Budget, job: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      budget.isOver = true;
    };
    const look = () => {
      const ms = leftOf(budget);
      if (ms > 0) {
        timer = setTimeout(look, Math.min(ms, lookMs));
        return;
      }
      // begun only now: however late this is, calls that have ended tell their errors first
      timer = setTimeout(giveUp, marginMs);
    };
    const giveUp = () => {
      end();
      reject(new Failure('unavailable', { reason: 'out-of-time' }));
    };
    let timer = setTimeout(look, Math.max(leftOf(budget), 0));
    job.then(
      (result) => {
        end();
        resolve(result);
      },
      (err: unknown) => {
        end();
        reject(err);
      },
    );
  });
}

/** Returns what is left of a budget. It does not become less during a wait. */
function leftOf({ endsAt, waits, waitsSince }: Budget): number {
  return endsAt - (waits === 0 ? performance.now() : waitsSince);
}

/** Returns how many milliseconds a call may take that takes at most `ms`: fewer where less is left of the budget. */
export function callTime(ms: number): number {
  const budget = currentBudget();
  if (budget === undefined) return ms;
  const leftMs = leftOf(budget) - marginMs;
  return leftMs < ms ? Math.max(Math.ceil(leftMs), 1) : ms;
}

/** Waits for somebody else: the time of the wait does not count. It has its own limit, and so have the calls in it. */
export async function outsideBudget<T>(wait: () => Promise<T>): Promise<T> {
  const budget = currentBudget();
  if (budget === undefined) return await wait();
  if (budget.waits++ === 0) budget.waitsSince = performance.now();
  try {
    return await runWithoutBudget(wait);
  } finally {
    if (--budget.waits === 0) budget.endsAt += performance.now() - budget.waitsSince;
  }
}
