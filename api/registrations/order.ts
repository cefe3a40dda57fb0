/** Orders to the workflow of a registration, which the first of them starts. */
import type { UpdateDefinition } from '@temporalio/common';
import { orderFirst, order as orderRunning } from '../../adapters/temporal/orders.ts';
import { Failure } from '../../domain/failures.ts';
import { firstFacts, registrationWorkflowId, statusOf } from '../../domain/registration.ts';
import { newId } from '../../platform/crypto.ts';
import { type RegistrationInput, registration } from '../../workflows/registration.ts';
import { searchAttributesOf } from '../../workflows/search-attributes.ts';
import type { ApiDeps } from '../deps.ts';

/**
 * Sends an order to a registration and waits for what it says. Safe to repeat when `updateId` is the same, and for several at
 * once, also when they are the first: see `orderFirst`.
 *
 * @throws {Failure} what the workflow refuses, registration-expired, registration-closed, unavailable after the deadline
 */
export async function order<Answer, Args extends [unknown] | []>(
  deps: Pick<ApiDeps, 'temporal' | 'registrationStarts'>,
  registrationId: string,
  update: UpdateDefinition<Answer, Args>,
  args: Args,
  updateId = newId(),
): Promise<Answer> {
  const input = (await deps.registrationStarts.read(registrationId)) as RegistrationInput | undefined;
  if (input === undefined) return orderRunning(deps, registrationId, update, args, updateId);
  const facts = firstFacts(input);
  // what came before the order may have taken long
  if (Date.now() >= facts.expiresAt) throw new Failure('registration-expired');
  const start = {
    workflow: registration,
    workflowId: registrationWorkflowId(registrationId),
    args: [input] as [RegistrationInput],
    typedSearchAttributes: searchAttributesOf(facts, statusOf(facts)).filter(({ value }) => value !== null) as never,
    staticSummary: `Registration: ${input.policy.join(', ')}`,
  };
  return orderFirst(deps, start, update, args, updateId);
}
