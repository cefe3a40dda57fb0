/** How a workflow that runs for long moves to another build. */
import { makeContinueAsNewFunc, type Workflow } from '@temporalio/workflow';

/**
 * Continues as new. Each run is pinned to its build where workers have versions; the next one begins on the version that is
 * current by then.
 */
export function continueOnCurrentBuild<W extends Workflow>(...args: Parameters<W>): Promise<never> {
  return makeContinueAsNewFunc<W>({ initialVersioningBehavior: 'AUTO_UPGRADE' })(...args);
}
