/** Updates of the workflow of a registration; the first one starts it. */
import type { UpdateDefinition } from '@temporalio/common';
import { executeUpdate, updateWithStart, type WorkflowStart } from '../../adapters/temporal/client-calls.ts';
import { Failure } from '../../domain/failures.ts';
import { initialState, type RegistrationStatus, statusOf } from '../../domain/registration.ts';
import { registrationWorkflowId } from '../../domain/workflow-ids.ts';
import { newId } from '../../platform/crypto.ts';
import { registration } from '../../workflows/registration.ts';
import type { RegistrationInput } from '../../workflows/registration-messages.ts';
import { searchAttributesOf } from '../../workflows/search-attributes.ts';
import type { ApiDeps } from '../deps.ts';

/** The dependencies of an update. */
export type UpdateDeps = Pick<ApiDeps, 'temporal' | 'registrations' | 'registrationStarts' | 'updateQueue'>;

/** What an update returns: the status of the registration, or an answer that contains it. */
type StatusAnswer = RegistrationStatus | { status: RegistrationStatus };

/**
 * Executes an update of a registration, with the proofs that its workflow does not know yet, stores the status that it
 * returns, and returns its result. Safe to repeat with the same `updateId`, and safe to run in parallel, also for the
 * first updates: see `updateWithStart`. Whoever lost the answer repeats the step, which stores the status again.
 *
 * @throws {Failure} the failure with which the workflow refuses it, registration-expired, registration-closed,
 *   unavailable after the deadline, or when too many people register
 */
export async function updateRegistration<Answer extends StatusAnswer, Request extends object | undefined>(
  deps: UpdateDeps,
  registrationId: string,
  update: UpdateDefinition<Answer, [Request]>,
  request: Request,
  updateId = newId(),
): Promise<Answer> {
  const { start, proofs } = await deps.registrationStarts.read(registrationId);
  const hasProofs = request !== undefined && Object.keys(proofs).length > 0;
  const args: [Request] = [hasProofs ? { ...request, proofs } : request];
  const begun = start === undefined ? undefined : startOf(start as RegistrationInput);
  const answer = await deps.updateQueue.run({ isFirst: begun !== undefined }, () =>
    begun === undefined
      ? executeUpdate(deps, registrationWorkflowId(registrationId), update, { args, updateId })
      : updateWithStart(deps, begun, update, args, updateId),
  );
  await deps.registrations.write(registrationId, 'status' in answer ? answer.status : answer);
  return answer;
}

/** How the first update starts the workflow. @throws {Failure} registration-expired */
function startOf(input: RegistrationInput): WorkflowStart<typeof registration> {
  const state = initialState(input);
  // the steps before the update may have taken long
  if (Date.now() >= state.expiresAt) throw new Failure('registration-expired');
  return {
    workflow: registration,
    workflowId: registrationWorkflowId(input.registrationId),
    args: [input],
    typedSearchAttributes: searchAttributesOf(state, statusOf(state)).filter(({ value }) => value !== null) as never,
    staticSummary: `Registration: ${input.policy.join(', ')}`,
  };
}
