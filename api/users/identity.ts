/** A name, number or address of a person that takes effect. */
import { executeSingleton } from '../../adapters/temporal/client-calls.ts';
import { identityChangeWorkflowId } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { type IdentityChangeInput, identityChange } from '../../workflows/identity-change.ts';
import { userAttributesOf } from '../../workflows/search-attributes.ts';
import type { ApiDeps } from '../deps.ts';

/** Longest wait for a change that goes on by itself. */
const waitMs = 15_000;
/** Changes of one person that may be under way before. */
const turnsMax = 5;

/**
 * Has a name, number or address changed, after the other changes of the person that are under way.
 *
 * @throws {Failure} identity-taken, not-found, unavailable: it goes on by itself, or nothing was changed
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
    throw new Failure(outcome === 'taken' ? 'identity-taken' : 'not-found');
  }
  throw new Failure('unavailable');
}
