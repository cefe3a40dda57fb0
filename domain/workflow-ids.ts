/** The ids of workflows, in one table: a noun and a random id, or the id of the user that only one may run for at a time. */
import type { Notification } from './notifications.ts';

/** Returns the id of the workflow that disables or enables a user. It is per user, so one of them runs at a time. */
export function userAdministrationWorkflowId(userId: string): string {
  return `user-administration:${userId}`;
}

/** Returns the id of the workflow of a role change. */
export function userRolesWorkflowId(changeId: string): string {
  return `user-roles:${changeId}`;
}

/** Returns the id of the workflow of a credential change. */
export function credentialChangeWorkflowId(changeId: string): string {
  return `credential-change:${changeId}`;
}

/** Returns the id of the workflow that sends the code for a PIN reset. */
export function pinResetWorkflowId(resetId: string): string {
  return `pin-reset:${resetId}`;
}

/**
 * Returns the id of the workflow that changes a user's name, number or address. It is per user, so one runs at a time.
 */
export function identityChangeWorkflowId(userId: string): string {
  return `identity-change:${userId}`;
}

/** Returns the id of the workflow that releases a user's name, number or address. It is per user, so one runs at a time. */
export function identityReleaseWorkflowId(userId: string): string {
  return `identity-release:${userId}`;
}

/** Returns the id of the workflow that removes a device. It is per device id, so one of them runs at a time. */
export function deviceRemovalWorkflowId(userId: string, deviceId: string): string {
  return `device-removal:${userId}:${deviceId}`;
}

/** Returns the id of the workflow of an account deletion. It outlives the erasure, so it contains no user id. */
export function accountDeletionWorkflowId(deletionId: string): string {
  return `account-deletion:${deletionId}`;
}

/** Returns the id of the workflow that erases a deleted account. It contains no user id. */
export function accountErasureWorkflowId(deletionId: string): string {
  return `account-erasure:${deletionId}`;
}

/** Returns the id of the workflow that sends the code to prove a new number or address. */
export function contactCodeWorkflowId(changeId: string): string {
  return `contact-code:${changeId}`;
}

/** Returns the id of the workflow of a password recovery. */
export function recoveryWorkflowId(recoveryId: string): string {
  return `recovery:${recoveryId}`;
}

/** Returns the id of the workflow that checks a user name and password against the directory. */
export function directoryLogInWorkflowId(attemptId: string): string {
  return `directory-login:${attemptId}`;
}

/** Returns the id of the workflow of a notification. The id prevents a second send. */
export function notificationWorkflowId({ userId, kind, occasion }: Notification): string {
  return `notification:${kind}:${userId}:${occasion}`;
}

/** Returns the id of the workflow of a wake-up. The store of wake-ups allows one at a time for a device. */
export function wakeUpWorkflowId(wakeUpId: string): string {
  return `wake-up:${wakeUpId}`;
}

/** Returns the id of the workflow that sends a wake-up to test a push registration. */
export function pushTestWorkflowId(testId: string): string {
  return `push-test:${testId}`;
}

/** Returns the id of the workflow of a registration. It contains a random id, never a number or a name. */
export function registrationWorkflowId(registrationId: string): string {
  return `registration:${registrationId}`;
}

/** Returns the id of the workflow of a session. It contains a random id, never a number. */
export function verificationWorkflowId(sessionId: string): string {
  return `verification:${sessionId}`;
}

/** Returns the id of the workflow that sends the code of a log-in. */
export function logInWorkflowId(loginId: string): string {
  return `login:${loginId}`;
}

/** Returns the id of the workflow of a link. It contains a random id. */
export function deviceLinkWorkflowId(linkId: string): string {
  return `device-link:${linkId}`;
}

/** The id of the re-encryption: there is one at a time. */
export function reencryptionWorkflowId(): string {
  return 'reencryption';
}
