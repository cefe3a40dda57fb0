/** Orders to the workflow of a registration, which the first of them starts. */
import type { UpdateDefinition } from '@temporalio/common';
import { executeUpdate, updateWithStart } from '../../adapters/temporal/client-calls.ts';
import { Failure } from '../../domain/failures.ts';
import { initialState, registrationWorkflowId, statusOf } from '../../domain/registration.ts';
import { newId } from '../../platform/crypto.ts';
import { type RegistrationInput, registration } from '../../workflows/registration.ts';
import { searchAttributesOf } from '../../workflows/search-attributes.ts';
import type { ApiDeps } from '../deps.ts';

/**
 * Sends an order to a registration and waits for what it says. Safe to repeat when `updateId` is the same, and for several at
 * once, also when they are the first: see `updateWithStart`.
 *
 * @throws {Failure} what the workflow refuses, registration-expired, registration-closed, unavailable after the deadline
 */
export async function updateRegistration<Answer, Args extends [unknown] | []>(
  deps: Pick<ApiDeps, 'temporal' | 'registrationStarts'>,
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
  // what came before the order may have taken long
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
