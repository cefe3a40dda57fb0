/**
 * The rows of contract/ as far as a call needs them at run time. This is the one module that loads the schemas of contract/:
 * the builds of the package and of the web app replace it by the values of `callRows`, so that no schema is loaded there.
 */
import { credentialOperations, sessionOperations } from '../contract/auth.ts';
import { linkOperations } from '../contract/device-links.ts';
import { deviceOperations, keyOperations, pushOperations } from '../contract/devices.ts';
import { conversationOperations, messageOperations } from '../contract/messages.ts';
import type { Auth, Operation } from '../contract/operation.ts';
import { registrationOperations } from '../contract/registrations.ts';
import { userOperations } from '../contract/users.ts';

const rows = {
  ...registrationOperations,
  ...sessionOperations,
  ...credentialOperations,
  ...userOperations,
  ...deviceOperations,
  ...keyOperations,
  ...pushOperations,
  ...linkOperations,
  ...messageOperations,
  ...conversationOperations,
} as const;

/** The rows with their schemas, as types. */
export type Rows = typeof rows;

/** The name of an operation. */
export type CallId = keyof Rows;

/** What a call needs of its row. */
export interface CallRow {
  method: Operation['method'];
  path: string;
  auth: Auth;
  /** It takes an `Idempotency-Key`. */
  hasKey: boolean;
  /** It may be sent again when no answer came. */
  isRepeatable: boolean;
}

/** What calls need of the rows, by operation. */
export const callRows = Object.fromEntries(
  Object.entries<Operation>(rows).map(([id, { method, path, auth, idempotent }]): [string, CallRow] => {
    const hasKey = idempotent !== undefined;
    return [id, { method, path, auth, hasKey, isRepeatable: method !== 'post' || hasKey || id === 'refreshTokens' }];
  }),
) as Record<CallId, CallRow>;
