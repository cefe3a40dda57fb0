/** The change of a user name, number or address. */
import { executeSingleton } from '../adapters/temporal/client-calls.ts';
import { Failure } from '../domain/failures.ts';
import { identityChangeWorkflowId } from '../domain/workflow-ids.ts';
import { type IdentityChangeInput, identityChange } from '../workflows/identity-change.ts';
import { userAttributesOf } from '../workflows/search-attributes.ts';
import type { ApiDeps } from './deps.ts';
import { outdatedCode } from './otp.ts';

/** Longest wait for a change; after that it continues automatically. */
const waitMs = 15_000;
/** Maximum number of earlier changes of the user to wait for. */
const turnsMax = 5;

/**
 * Changes a user name, number or address, after the changes of the user that are in progress.
 *
 * @throws {Failure} identity-taken, not-found, code-expired: the account has changed since the code was sent; unavailable: the change continues automatically, or nothing was changed
 */
export async function changeIdentity(deps: Pick<ApiDeps, 'temporal'>, change: IdentityChangeInput): Promise<void> {
  for (let turn = 0; turn < turnsMax; turn++) {
    const { changeId, outcome } = await executeSingleton(deps, identityChange, {
      workflowId: identityChangeWorkflowId(change.userId),
      args: [change],
      typedSearchAttributes: userAttributesOf(change.userId),
      staticSummary: `Change of a ${change.wanted.kind}`,
      waitMs,
    });
    if (changeId !== change.changeId) continue;
    if (outcome === 'changed') return;
    if (outcome === 'outdated') throw outdatedCode();
    throw new Failure(outcome === 'taken' ? 'identity-taken' : 'not-found');
  }
  throw new Failure('unavailable');
}
