/** How workflows refuse updates, and how they distinguish an outage from a bug. */
import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import type { FailureCode, FailureContext, Refusal } from '../domain/failures.ts';

/** Creates a non-retryable failure with a failure code as its type. */
export function refusal(code: FailureCode, state: FailureContext = {}): ApplicationFailure {
  return ApplicationFailure.nonRetryable(code, code, state);
}

/** Refuses an update when a rule refuses it. @throws {ApplicationFailure} the refusal */
export function throwIfRefused(refused: Refusal | undefined): void {
  if (refused !== undefined) throw refusal(refused.code, refused.context);
}

/** Returns whether an activity failed because its dependency is unavailable. */
export function isOutage(err: unknown): boolean {
  return (['unavailable', 'directory-unavailable'] satisfies FailureCode[] as string[]).includes(
    causeOf(err)?.type ?? '',
  );
}

/** Returns the kebab-case reason that the activity reported for its outage. */
export function whyOf(err: unknown): string | undefined {
  return (causeOf(err)?.details?.[0] as FailureContext | undefined)?.reason;
}

/** Returns the seconds after which the activity's dependency asks to be called again, if it said so. */
export function retryAfterOf(err: unknown): number {
  return (causeOf(err)?.details?.[0] as FailureContext | undefined)?.retryAfterSeconds ?? 0;
}

function causeOf(err: unknown): ApplicationFailure | undefined {
  return err instanceof ActivityFailure && err.cause instanceof ApplicationFailure ? err.cause : undefined;
}
