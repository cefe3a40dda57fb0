/** Errors of the client. An application decides by `code`. */
import { remedyOf } from './remedies.ts';

/** An error of the client or of the server. */
export class VyryError extends Error {
  override readonly name: string = 'VyryError';
  /**
   * The `error_code` of the server, or one of the client's own:
   * - UNREACHABLE: no answer came; the request may be repeated.
   * - SIGNED_OUT: the store has no tokens, or the server has ended the session.
   * - NO_KEYS: the store has no identity key.
   * - NO_REGISTRATION: the store has no registration that could be continued.
   * - STEPS_OPEN, REGISTRATION_ENDED: the registration has open steps, or was rejected, cancelled or has expired.
   * - STORE_LOCKED: another process, or another tab, has the store open.
   * - STORE_FULL: the disk, or what the browser allows, has no room for a change; nothing has changed.
   * - STORE_FAILED: the file or the database could not be opened or written; nothing has changed.
   * - STORE_DAMAGED: what is kept cannot be read. It is left as it is.
   * - STORE_UNSUPPORTED: the page did not come over https, or the browser is too old.
   * - LINK_ADDRESS: the text is not that of a link, or that of another server.
   * - LINK_KEY: the public key of the new device is not the one in its QR code, or no key.
   * - LINK_NONCE: the new device revealed another nonce than it committed to.
   * - LINK_CODE: the digits are not those of the new device; `attemptsLeft` says how many tries are left.
   * - LINK_PROVISION: what the existing device sent cannot be decrypted, or is not what the protocol says.
   * - LINK_ENDED: the link was denied or has expired.
   * - UNDECRYPTABLE: a message cannot be decrypted; `fields.reason` says why.
   * - BUNDLE_INVALID: the keys that the server answered for another device are malformed, or wrongly signed.
   * - SESSION_NEEDED: there is no session with the devices in `fields.deviceIds`; get their keys first.
   * - IDENTITY_CHANGED: the person's identity key is another one than the one that was verified; ask the user.
   * - OTHER_DEVICES: the account has other devices, `fields.devices`, which need their keys of a new identity key first.
   * - ROTATION_KEYS: keys that another device sent are not for this one, or no key pair.
   * - CONTENT_TOO_LARGE: the content of a message is longer than `contentBytesMax`.
   * - LOOP_RUNNING: there is a loop over `messages()` already.
   * - UNKNOWN_IDENTITY: this device knows no identity key of the person.
   * - CLOSED: the client was closed.
   */
  readonly code: string;
  /** What can be done about it, in a sentence. */
  readonly remedy: string;
  /** The id of the request in the logs of the server; absent without an answer. */
  readonly requestId: string | undefined;
  /** The HTTP status; absent without an answer. */
  readonly status: number | undefined;
  /** The name of the limit that was hit. */
  readonly limit: string | undefined;
  /** When a repeat can succeed; absent if waiting does not help. */
  readonly retryAfterSeconds: number | undefined;
  /** Tries that are left: of a code, or of the digits of a link. */
  readonly attemptsLeft: number | undefined;
  /** Every field of the server's answer, such as `details` or `missingDevices`. */
  readonly fields: Record<string, unknown>;

  constructor(code: string, message: string, { cause, ...details }: Partial<ErrorDetails> = {}) {
    super(message, { cause });
    this.code = code;
    this.remedy = remedyOf(code);
    this.requestId = details.requestId;
    this.status = details.status;
    this.limit = details.limit;
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.attemptsLeft = details.attemptsLeft;
    this.fields = details.fields ?? {};
  }
}

interface ErrorDetails {
  requestId: string | undefined;
  status: number;
  limit: string | undefined;
  retryAfterSeconds: number | undefined;
  attemptsLeft: number | undefined;
  fields: Record<string, unknown>;
  cause: unknown;
}

/** Returns the error of an answer that is no success. */
export async function errorOf(response: Response): Promise<VyryError> {
  const fields = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  return errorFrom(fields, { status: response.status, requestId: response.headers.get('x-request-id') });
}

/** Returns the error of a body of an error, as REST and the acknowledgements of sockets have it. */
export function errorFrom(
  fields: Record<string, unknown>,
  { status, requestId }: { status?: number; requestId?: string | null } = {},
): VyryError {
  const numberOf = (name: string) => (typeof fields[name] === 'number' ? fields[name] : undefined);
  const textOf = (name: string) => (typeof fields[name] === 'string' ? fields[name] : undefined);
  return new VyryError(textOf('error_code') ?? 'INTERNAL_ERROR', textOf('error') ?? `HTTP ${status}`, {
    ...(status !== undefined && { status }),
    requestId: textOf('request_id') ?? requestId ?? undefined,
    limit: textOf('limit'),
    retryAfterSeconds: numberOf('retry_after_seconds'),
    attemptsLeft: numberOf('attemptsLeft'),
    fields,
  });
}

/** Returns an error as the client throws it: what is none of its own is unexpected. */
export function toVyryError(err: unknown): VyryError {
  return err instanceof VyryError ? err : new VyryError('INTERNAL_ERROR', 'The client has failed', { cause: err });
}

/** Returns whether an error has one of some codes. */
export function hasCode(err: unknown, ...codes: string[]): err is VyryError {
  return err instanceof VyryError && codes.includes(err.code);
}
