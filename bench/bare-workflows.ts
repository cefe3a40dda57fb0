/** The baseline workflow: the smallest one with the same kinds of steps, which shows the cost of Temporal alone. */
import { condition, defineUpdate, proxyActivities, proxyLocalActivities, setHandler } from '@temporalio/workflow';

/** Activities that do nothing. */
export interface BareActivities {
  nothing(): Promise<void>;
}

const normal = proxyActivities<BareActivities>({ startToCloseTimeout: '10s' });
const local = proxyLocalActivities<BareActivities>({ startToCloseTimeout: '10s' });

/** An update that runs the given number of normal activities, one after the other, and then of local ones. */
export const step = defineUpdate<string, [{ normal: number; local: number }]>('step');

/** Runs until it is terminated, for 10 minutes at most. */
export async function bare(): Promise<void> {
  setHandler(step, async (counts): Promise<string> => {
    for (let run = 0; run < counts.normal; run++) await normal.nothing();
    for (let run = 0; run < counts.local; run++) await local.nothing();
    return 'done';
  });
  await condition(() => false, '10m');
}
