/** Every operation, in the order of the API's documentation. */
import { adminOperations } from './admin.ts';
import { credentialOperations, sessionOperations } from './auth.ts';
import { callbackOperations } from './callbacks.ts';
import { linkOperations } from './device-links.ts';
import { deviceOperations, keyOperations, pushOperations } from './devices.ts';
import { conversationOperations, messageOperations } from './messages.ts';
import { registrationOperations } from './registrations.ts';
import { systemOperations } from './system.ts';
import { userOperations } from './users.ts';

/** The operations that REST serves, by their `operationId`. */
export const operations = {
  ...registrationOperations,
  ...sessionOperations,
  ...credentialOperations,
  ...userOperations,
  ...linkOperations,
  ...deviceOperations,
  ...keyOperations,
  ...pushOperations,
  ...messageOperations,
  ...conversationOperations,
  ...adminOperations,
  ...callbackOperations,
  ...systemOperations,
} as const;

/** The `operationId` of an operation that REST serves. */
export type OperationId = keyof typeof operations;
