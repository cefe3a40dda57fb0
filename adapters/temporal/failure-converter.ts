/** Encrypts messages and stack traces of failures with the payloads; used by clients, workers and the bundle alike. */
import { DefaultFailureConverter } from '@temporalio/common';

/** The name Temporal looks for in a failure converter module. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
