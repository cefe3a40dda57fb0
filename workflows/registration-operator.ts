/** What an operator does to a running registration. Every action is in its timeline and emits an event. */
import { proxyLocalActivities, setHandler } from '@temporalio/workflow';
import type { OperatorAct, RegistrationActivities } from '../activities/registration.ts';
import type { RegistrationStatus } from '../domain/registration.ts';
import { refuseCancellation, refuseRetry, refuseSwitch } from '../domain/registration-refusals.ts';
import { throwIfRefused } from './refusals.ts';
import type { RegistrationCodes } from './registration-codes.ts';
import { cancel, retryStep, switchChannel } from './registration-messages.ts';
import type { RegistrationProgress } from './registration-progress.ts';
import { localStep } from './retries.ts';

const { operatorAct } = proxyLocalActivities<RegistrationActivities>(localStep);

/** Handles the updates of operators, and the cancellation, which users and owners may request too. */
export function handleOperator(progress: RegistrationProgress, codes: RegistrationCodes): void {
  const { calls } = progress.flow;
  let actNumber = 0;

  /** Records an action in the timeline and emits its event. */
  async function record(act: OperatorAct['act'], operator: string | undefined, text: string): Promise<void> {
    progress.flow.note(`operator${operator === undefined ? '' : ` ${operator}`}: ${text}`);
    const { registrationId } = progress.input;
    await operatorAct({ act, registrationId, number: ++actNumber, ...(operator && { operator }) });
  }

  setHandler(
    cancel,
    async (request): Promise<RegistrationStatus> => {
      const isOperator = request !== undefined && request.reason === undefined;
      progress.cancel(isOperator ? 'operator' : request?.reason);
      if (isOperator) await record('cancel', request.by, 'cancel requested');
      await progress.untilClosed();
      return progress.status();
    },
    {
      validator: (request) => throwIfRefused(refuseCancellation(request?.by, progress.state())),
      description: 'Ends the registration and runs its compensations',
    },
  );
  setHandler(
    retryStep,
    async ({ by }): Promise<RegistrationStatus> => {
      calls.retryNow();
      await record('retry-step', by, 'retry requested');
      return progress.status();
    },
    {
      validator: ({ by }) => throwIfRefused(refuseRetry(by, { hasFailed: calls.hasFailed() })),
      description: 'Operator: calls every unavailable dependency again now',
    },
  );
  setHandler(
    switchChannel,
    async ({ channel, by }): Promise<RegistrationStatus> => {
      await Promise.all([record('switch-channel', by, `channel switched to ${channel}`), codes.switchTo(channel)]);
      return progress.status();
    },
    {
      validator: (request) =>
        throwIfRefused(refuseSwitch(request, progress.state(), { unavailable: calls.unavailable, now: Date.now() })),
      description: 'Operator: gives up a send that waits or was refused, and sends a code by another channel',
    },
  );
}
