/** How workflows refuse orders, and how they tell an outage from a bug. */
import { ActivityFailure, ApplicationFailure } from '@temporalio/workflow';
import type { FailureCode, FailureContext } from '../domain/failures.ts';

/** A refusal of an order, by name. */
export function refusal(code: FailureCode, state: FailureContext = {}): ApplicationFailure {
  return ApplicationFailure.nonRetryable(code, code, state);
}

/** Tells whether an activity failed because its outside system is away. */
export function isOutage(err: unknown): boolean {
  return (['unavailable', 'directory-unavailable'] satisfies FailureCode[] as string[]).includes(
    causeOf(err)?.type ?? '',
  );
}

/** The word that the activity gave to its outage. */
export function whyOf(err: unknown): string | undefined {
  return (causeOf(err)?.details?.[0] as FailureContext | undefined)?.reason;
}

function causeOf(err: unknown): ApplicationFailure | undefined {
  return err instanceof ActivityFailure && err.cause instanceof ApplicationFailure ? err.cause : undefined;
}
