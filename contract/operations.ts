/** Every operation, in the order of the API's documentation. */
import { adminOperations } from './admin.ts';
import { credentialOperations, sessionOperations } from './auth.ts';
import { callbackOperations } from './callbacks.ts';
import { linkOperations } from './device-links.ts';
import { deviceOperations, keyOperations, pushOperations } from './devices.ts';
import { conversationOperations, messageOperations } from './messages.ts';
import type { Operation } from './operation.ts';
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

/** The operations of one noun, under their heading in the documentation. */
export interface Noun {
  name: string;
  about: string;
  operations: Record<string, Operation>;
}

/** The nouns, in the order of the documentation. Every operation belongs to one. */
export const nouns: readonly Noun[] = [
  {
    name: 'Registrations',
    about: 'From an unknown person to an account, step by step. Each registration is a durable workflow.',
    operations: registrationOperations,
  },
  { name: 'Sessions', about: 'Log-in, tokens, and the sessions of a user.', operations: sessionOperations },
  {
    name: 'Passwords and PINs',
    about: 'Change, recovery, and recent authentication.',
    operations: credentialOperations,
  },
  { name: 'Users', about: 'The account of the calling user: profile, export, deletion.', operations: userOperations },
  {
    name: 'Device links',
    about: 'A device of the user brings a new one into the account, or approves a registration.',
    operations: linkOperations,
  },
  { name: 'Devices', about: 'The devices of the calling user.', operations: deviceOperations },
  { name: 'Keys', about: 'Public keys, from which others begin encrypted sessions.', operations: keyOperations },
  { name: 'Push', about: 'Wake-ups of devices that are not connected.', operations: pushOperations },
  { name: 'Messages', about: 'Encrypted messages, and the inbox of a device.', operations: messageOperations },
  { name: 'Conversations', about: 'Who may write to whom.', operations: conversationOperations },
  { name: 'Administration', about: 'For users with the role `admin`.', operations: adminOperations },
  { name: 'Callbacks', about: 'For message providers only.', operations: callbackOperations },
  { name: 'System', about: 'Public keys and health, for operators and other servers.', operations: systemOperations },
];

/** The `operationId` of an operation that REST serves. */
export type OperationId = keyof typeof operations;
