/**
 * Encrypts the messages and stack traces of failures like payloads. Clients, workers and the workflow bundle use it.
 */
import { DefaultFailureConverter } from '@temporalio/common';

/** The export that Temporal looks for in a failure converter module. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
