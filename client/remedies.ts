/** What a person or a developer can do about an error, by its code. */

/** Remedies of the codes of the client, and of the classes of errors of the server. */
const remedies: Readonly<Record<string, string>> = {
  // the client's own codes, which client/errors.ts explains
  BUNDLE_INVALID: 'Do not write to this person now; tell the operator of the server, which answered wrong keys.',
  CLOSED: 'Create another client.',
  CONTENT_TOO_LARGE: 'Upload it elsewhere, encrypted, and send a reference to it.',
  IDENTITY_CHANGED: 'Compare the safety number with the person again, then call identities.accept.',
  LINK_ADDRESS: 'Scan the code that the new device shows on its own screen.',
  LINK_CODE: 'Read the six digits on the new device again.',
  LINK_ENDED: 'Start a new link on the new device.',
  LINK_KEY: 'Do not link this device: somebody may have changed its key. Start a new link in a trusted network.',
  LINK_NONCE: 'Do not link this device: somebody may be in between. Start a new link in a trusted network.',
  LINK_PROVISION: 'Start a new link.',
  LOOP_RUNNING: 'End the first loop over messages() before a second one begins.',
  NO_KEYS: 'Add this device to the account, or link it.',
  NO_REGISTRATION: 'Start a registration.',
  OTHER_DEVICES: 'Wait until the other devices have their keys, or remove them.',
  REGISTRATION_ENDED: 'Start a new registration.',
  ROTATION_KEYS: 'Ask the device that sent the keys to rotate again.',
  SESSION_NEEDED: 'Fetch the keys of the device first.',
  SIGNED_OUT: 'Sign in again.',
  STEPS_OPEN: 'Do the steps that are open.',
  STORE_DAMAGED: 'Link this device to the account again, with a new store.',
  STORE_FAILED: 'Check the file or the storage of the browser, then try again.',
  STORE_FULL: 'Make room on the disk, or let the browser store more, then try again.',
  STORE_LOCKED: 'Close the other process or tab that has this account open.',
  STORE_UNSUPPORTED: 'Open the page over https in a current browser.',
  UNDECRYPTABLE: 'Nothing: the sender is asked to send it again.',
  UNKNOWN_IDENTITY: 'Exchange a message with the person first.',
  UNREACHABLE: 'Check the network connection; the request may be repeated.',
  // the error_code of an answer
  INVALID_REQUEST: 'Correct the fields in details.',
  INVALID_OTP: 'Type the code again, or ask for a new one.',
  UNAUTHORIZED: 'Check the name and the password; where the server asks for a recent authentication, confirm it first.',
  INVALID_TOKEN: 'Sign in again, or request a new message.',
  FORBIDDEN: 'The message says who or what allows it.',
  NOT_FOUND: 'Check the id; it may have ended.',
  CONFLICT: 'Read the present state, then decide again.',
  GONE: 'Start again.',
  DEVICE_LIMIT: 'Remove a device first.',
  REGISTRATION_LOCKED: 'Give the PIN of the account, or ask one of its devices for approval.',
  RATE_LIMITED: 'Wait for retryAfterSeconds; without them, waiting does not help.',
  PROVIDER_REFUSED: 'Use one of the other channels.',
  SIGNAL_REFUSED: 'Follow the advice of the Signal server in the message.',
  INTERNAL_ERROR: 'Report the requestId to the operator of the server.',
  UNAVAILABLE: 'Try again after retryAfterSeconds.',
};

/** Returns what can be done about an error. */
export function remedyOf(code: string): string {
  return remedies[code] ?? 'Report the code and the requestId to the operator of the server.';
}
