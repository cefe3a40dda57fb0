/** The workflows that the registration role hosts: the list that is bundled. */
export { accountDeletion, accountErasure } from './account-deletion.ts';
export { credentialChange } from './credential-change.ts';
export { directoryLogIn } from './directory-log-in.ts';
export { directoryWatch } from './directory-watch.ts';
export { identityChange } from './identity-change.ts';
export { notice } from './notice.ts';
export { oneCode } from './one-code.ts';
export { purge } from './purge.ts';
export { recovery } from './recovery.ts';
export { registration } from './registration.ts';
export { userDisabling, userEnabling, userRoleChange } from './user-access.ts';
export { verification } from './verification.ts';
