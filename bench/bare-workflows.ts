/** The smallest workflow with the same kinds of steps: what Temporal itself costs, without anything of ours. */
import { condition, defineUpdate, proxyActivities, proxyLocalActivities, setHandler } from '@temporalio/workflow';

/** Activities that do nothing. */
export interface BareActivities {
  nothing(): Promise<void>;
}

const normal = proxyActivities<BareActivities>({ startToCloseTimeout: '10s' });
const local = proxyLocalActivities<BareActivities>({ startToCloseTimeout: '10s' });

/** An update that runs so many normal activities, one after the other, and then so many local ones. */
export const step = defineUpdate<string, [{ normal: number; local: number }]>('step');

/** Lives until it is ended from outside. */
export async function bare(): Promise<void> {
  setHandler(step, async (counts): Promise<string> => {
    for (let run = 0; run < counts.normal; run++) await normal.nothing();
    for (let run = 0; run < counts.local; run++) await local.nothing();
    return 'done';
  });
  await condition(() => false, '10m');
}
