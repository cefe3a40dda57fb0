/** Asks workflows, with deadlines, and turns what they refuse into failures. */
import { type Client, WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure, type UpdateDefinition } from '@temporalio/common';
import { Failure, type FailureFacts, isFailureCode } from '../../domain/failures.ts';
import { registrationWorkflowId } from '../../domain/registration.ts';

/** A worker that was killed is back, and its task given to it again, well before this. */
const updateMs = 20_000;

/**
 * Sends an order to a registration and waits for what it says. Safe to repeat when `updateId` is the same: the first
 * answer comes again.
 *
 * @throws {Failure} what the workflow refuses, registration-closed when it is over, unavailable after the deadline
 */
export async function order<Answer, Args extends [unknown] | []>(
  { temporal }: { temporal: Client },
  registrationId: string,
  update: UpdateDefinition<Answer, Args>,
  args: Args,
  updateId?: string,
): Promise<Answer> {
  const handle = temporal.workflow.getHandle(registrationWorkflowId(registrationId));
  const options = { args, ...(updateId && { updateId }) } as Parameters<typeof handle.executeUpdate>[1];
  try {
    return (await temporal.withDeadline(Date.now() + updateMs, () =>
      handle.executeUpdate(update as UpdateDefinition<unknown, never>, options as never),
    )) as Answer;
  } catch (err) {
    throw refusalOf(err);
  }
}

function refusalOf(err: unknown): unknown {
  if (err instanceof WorkflowNotFoundError) return new Failure('registration-closed');
  if (err instanceof WorkflowUpdateFailedError && err.cause instanceof ApplicationFailure) {
    const { type, details } = err.cause;
    if (isFailureCode(type)) return new Failure(type, (details?.[0] ?? {}) as FailureFacts);
  }
  return err;
}
