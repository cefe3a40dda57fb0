/** The package `@vyry/client`. Stores for Node and for browsers are entries of their own. */
export type { AccountFunctions, Credentials, PendingSignIn, RecoveryFlow, SignInProof } from './account.ts';
export type { Calls } from './calls.ts';
export type { Conversations, ListedConversation } from './conversations.ts';
export type { UndecryptableReason } from './crypto/failures.ts';
export { hasCode, VyryError } from './errors.ts';
export type { Emitter, SentMessage, VyryEvents } from './events.ts';
export type { ExistingDeviceFlow } from './link-flows.ts';
export { createMemoryStore } from './memory-store.ts';
export { type Message, textContent, textOf } from './message.ts';
export { contentBytesMax, type QueuedMessage, type SendOptions } from './messaging.ts';
export type { LinkToAccount, OwnDevices, RemovedDevice } from './own-devices.ts';
export type { Identities, SafetyNumber } from './people.ts';
export type { RegistrationFlow } from './registration.ts';
export { applyChanges, type Change, partsOf } from './state-changes.ts';
export type { ClientStatus, ObservableStatus, OfflineReason } from './status.ts';
export { type ClientState, type ClientStore, createStore, type DeviceAddress, emptyState } from './store.ts';
export { createVyry, type Vyry, type VyryOptions } from './vyry.ts';
