/** The baseline workflows: the smallest ones with the same kinds of steps, which show the cost of Temporal alone. */
import {
  condition,
  defineSignal,
  defineUpdate,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  sleep,
} from '@temporalio/workflow';

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
  handleStep();
  await condition(() => false, '10m');
}

function handleStep(): void {
  setHandler(step, async (counts): Promise<string> => {
    for (let run = 0; run < counts.normal; run++) await normal.nothing();
    for (let run = 0; run < counts.local; run++) await local.nothing();
    return 'done';
  });
}

/** The last step of a `bareRegistration`. */
export const lastStep = defineUpdate<string>('lastStep');

/**
 * The least shape of a durable registration of four steps: the first update starts it and asks a directory, the next one
 * sends a code, the last one creates the account and is recorded, and a message follows.
 */
export async function bareRegistration(): Promise<void> {
  let isDone = false;
  handleStep();
  setHandler(lastStep, async (): Promise<string> => {
    await normal.nothing();
    await local.nothing();
    isDone = true;
    return 'done';
  });
  await condition(() => isDone, '10m');
  await normal.nothing();
}

/** Tells a `bareLink` something. */
export const told = defineSignal<[string]>('told');

/** The shape of a link: an activity, a wait that ends with the second signal, and a timer of two hours. */
export async function bareLink(): Promise<void> {
  let news = 0;
  setHandler(told, () => {
    news++;
  });
  await normal.nothing();
  await condition(() => news === 2, '3m');
  await sleep('2h');
}

/** The shape of the notification after a link: the recipients, then two messages and the wake-up of devices. */
export async function bareNotification(): Promise<void> {
  await normal.nothing();
  await Promise.all([normal.nothing(), normal.nothing(), normal.nothing()]);
}
