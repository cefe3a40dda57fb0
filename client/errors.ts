/** Errors of the client. An application decides by `code`. */

/** An error of the client or of the server. */
export class VyryError extends Error {
  override readonly name: string = 'VyryError';
  /**
   * The `error_code` of the server, or one of the client's own:
   * - UNREACHABLE: no answer came; the request may be repeated.
   * - LINK_ADDRESS: the text is not that of a link, or that of another server.
   * - LINK_KEY: the public key of the new device is not the one in its QR code, or no key.
   * - LINK_NONCE: the new device revealed another nonce than it committed to.
   * - LINK_CODE: the digits are not those of the new device; `attemptsLeft` says how many tries are left.
   * - LINK_PROVISION: what the existing device sent cannot be decrypted, or is not what the protocol says.
   * - LINK_ENDED: the link was denied or has expired.
   * - DEVICE_SET: the server shows other devices than the existing device knew.
   * - STORE_LOCKED: another process has the store open.
   * - NO_KEYS, SIGNED_OUT: the store has no identity key, or no tokens.
   */
  readonly code: string;
  /** The name of the limit that was hit. */
  readonly limit: string | undefined;
  /** When a repeat can succeed. */
  readonly retryAfterSeconds: number | undefined;
  /** Tries that are left: of a code, or of the digits of a link. */
  readonly attemptsLeft: number | undefined;

  constructor(code: string, message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { cause: details.cause });
    this.code = code;
    this.limit = details.limit;
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.attemptsLeft = details.attemptsLeft;
  }
}

interface ErrorDetails {
  limit: string;
  retryAfterSeconds: number;
  attemptsLeft: number;
  cause: unknown;
}
