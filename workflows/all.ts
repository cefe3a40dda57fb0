/** The workflows that the registration role hosts. This module is the entry point of the workflow bundle. */
export { accountDeletion, accountErasure } from './account-deletion.ts';
export { credentialChange } from './credential-change.ts';
export { deviceLink } from './device-link.ts';
export { deviceRemoval } from './device-removal.ts';
export { directoryLogIn } from './directory-log-in.ts';
export { directorySync } from './directory-sync.ts';
export { identityChange, identityRelease } from './identity-change.ts';
export { inboxCare } from './inbox-care.ts';
export { notification } from './notification.ts';
export { purge } from './purge.ts';
export { recovery } from './recovery.ts';
export { reencryption } from './reencryption.ts';
export { registration } from './registration.ts';
export { sendOtp } from './send-otp.ts';
export { userDisabling, userEnabling, userRoleChange } from './user-administration.ts';
export { verification } from './verification.ts';
export { pushTest, wakeUp } from './wake-up.ts';
