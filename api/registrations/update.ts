/** Updates of the workflow of a registration; the first one starts it. */
import type { UpdateDefinition } from '@temporalio/common';
import { executeUpdate, updateWithStart } from '../../adapters/temporal/client-calls.ts';
import { Failure } from '../../domain/failures.ts';
import { initialState, statusOf } from '../../domain/registration.ts';
import { registrationWorkflowId } from '../../domain/workflow-ids.ts';
import { newId } from '../../platform/crypto.ts';
import { registration } from '../../workflows/registration.ts';
import type { RegistrationInput } from '../../workflows/registration-messages.ts';
import { searchAttributesOf } from '../../workflows/search-attributes.ts';
import type { ApiDeps } from '../deps.ts';

/** The dependencies of an update. */
export type UpdateDeps = Pick<ApiDeps, 'temporal' | 'registrationStarts'>;

/**
 * Executes an update of a registration and returns its result. Safe to repeat with the same `updateId`, and safe to run
 * in parallel, also for the first updates: see `updateWithStart`.
 *
 * @throws {Failure} the failure with which the workflow refuses it, registration-expired, registration-closed,
 *   unavailable after the deadline
 */
export async function updateRegistration<Answer, Args extends [unknown] | []>(
  deps: UpdateDeps,
  registrationId: string,
  update: UpdateDefinition<Answer, Args>,
  args: Args,
  updateId = newId(),
): Promise<Answer> {
  const input = (await deps.registrationStarts.read(registrationId)) as RegistrationInput | undefined;
  if (input === undefined) {
    return executeUpdate(deps, registrationWorkflowId(registrationId), update, { args, updateId });
  }
  const state = initialState(input);
  // the steps before the update may have taken long
  if (Date.now() >= state.expiresAt) throw new Failure('registration-expired');
  const start = {
    workflow: registration,
    workflowId: registrationWorkflowId(registrationId),
    args: [input] as [RegistrationInput],
    typedSearchAttributes: searchAttributesOf(state, statusOf(state)).filter(({ value }) => value !== null) as never,
    staticSummary: `Registration: ${input.policy.join(', ')}`,
  };
  return updateWithStart(deps, start, update, args, updateId);
}
