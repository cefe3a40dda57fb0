/** Failures for clients: one table from failure code to HTTP status, `error_code` and sentence. */
import type { FailureCode } from '../domain/failures.ts';

/**
 * The classes of errors that clients distinguish, each with its gRPC status code
 * (https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto).
 */
export const errorCodes = {
  INVALID_REQUEST: { grpcStatus: 3 },
  INVALID_OTP: { grpcStatus: 3 },
  UNAUTHORIZED: { grpcStatus: 16 },
  INVALID_TOKEN: { grpcStatus: 16 },
  FORBIDDEN: { grpcStatus: 7 },
  NOT_FOUND: { grpcStatus: 5 },
  CONFLICT: { grpcStatus: 9 },
  GONE: { grpcStatus: 9 },
  DEVICE_LIMIT: { grpcStatus: 9 },
  REGISTRATION_LOCKED: { grpcStatus: 9 },
  PROVIDER_REFUSED: { grpcStatus: 9 },
  SIGNAL_REFUSED: { grpcStatus: 9 },
  RATE_LIMITED: { grpcStatus: 8 },
  INTERNAL_ERROR: { grpcStatus: 13 },
  UNAVAILABLE: { grpcStatus: 14 },
} as const;

/** The `error_code` of an answer. */
export type ErrorCode = keyof typeof errorCodes;

/** A failure for clients. */
export interface PublicFailure {
  status: number;
  errorCode: ErrorCode;
  message: string;
}

/** The row of every failure code; a missing row does not compile. */
export const failures: Record<FailureCode, PublicFailure> = {
  malformed: { status: 400, errorCode: 'INVALID_REQUEST', message: 'The request is not valid' },
  'body-too-large': {
    status: 413,
    errorCode: 'INVALID_REQUEST',
    message: 'The body is larger than 256 KiB, or than 1 MiB where keys or messages are sent',
  },
  'media-type-unsupported': {
    status: 415,
    errorCode: 'INVALID_REQUEST',
    message: 'The body must be application/json in UTF-8',
  },
  'method-not-allowed': {
    status: 405,
    errorCode: 'INVALID_REQUEST',
    message: 'This path does not answer this method; the header Allow lists those that it answers',
  },
  'not-found': { status: 404, errorCode: 'NOT_FOUND', message: 'Not found' },
  unauthenticated: { status: 401, errorCode: 'UNAUTHORIZED', message: 'A bearer token is required' },
  'credentials-wrong': { status: 401, errorCode: 'UNAUTHORIZED', message: 'Name or password is wrong' },
  'token-invalid': {
    status: 401,
    errorCode: 'INVALID_TOKEN',
    message: 'The token is not valid any more; log in again or request a new message',
  },
  'authentication-too-old': {
    status: 401,
    errorCode: 'UNAUTHORIZED',
    message: 'This requires a recent authentication: confirm your password or PIN, then repeat the request',
  },
  'captcha-malformed': {
    status: 400,
    errorCode: 'INVALID_REQUEST',
    message: 'The captcha token is not valid; solve a new captcha',
  },
  'captcha-used': { status: 400, errorCode: 'INVALID_REQUEST', message: 'The captcha token was already used' },
  'captcha-refused': { status: 403, errorCode: 'FORBIDDEN', message: 'The captcha was not solved; solve a new one' },
  'step-not-available': {
    status: 409,
    errorCode: 'CONFLICT',
    message: 'This step cannot be done now; read the state for the steps that can',
  },
  'step-blocked': {
    status: 409,
    errorCode: 'CONFLICT',
    message: 'Another step must be done first; read the state for the one that is open',
  },
  'channel-not-available': {
    status: 409,
    errorCode: 'CONFLICT',
    message: 'There is no address for this channel; use another channel',
  },
  'channel-refused': {
    status: 440,
    errorCode: 'PROVIDER_REFUSED',
    message: 'The provider does not deliver by this channel; use another channel',
  },
  'code-wrong': { status: 400, errorCode: 'INVALID_OTP', message: 'The code is wrong; check it and type it again' },
  'code-not-sent': { status: 409, errorCode: 'CONFLICT', message: 'No code was sent; request one' },
  'code-expired': { status: 410, errorCode: 'GONE', message: 'The code has expired; request a new one' },
  'password-weak': {
    status: 400,
    errorCode: 'INVALID_REQUEST',
    message: 'The password or PIN is too easy to guess; choose another one',
  },
  'identity-taken': {
    status: 409,
    errorCode: 'CONFLICT',
    message: 'This name, number or address already has an account',
  },
  'registration-locked': {
    status: 423,
    errorCode: 'REGISTRATION_LOCKED',
    message: 'An account exists, and its PIN is required',
  },
  'registration-expired': { status: 410, errorCode: 'GONE', message: 'The registration has expired; start a new one' },
  'registration-closed': {
    status: 409,
    errorCode: 'CONFLICT',
    message: 'The registration has ended; log in or start a new one',
  },
  'registration-unfinished': {
    status: 409,
    errorCode: 'CONFLICT',
    message: 'The registration is not completed; do its open steps first',
  },
  'session-already-taken': {
    status: 409,
    errorCode: 'CONFLICT',
    message: 'The session of this registration was already created; log in',
  },
  'idempotency-key-reused': {
    status: 409,
    errorCode: 'CONFLICT',
    message: 'The idempotency key was already used with another body; use a new random key for each request',
  },
  'rate-limited': { status: 429, errorCode: 'RATE_LIMITED', message: 'Too many attempts; try again later' },
  'nothing-waiting': { status: 409, errorCode: 'CONFLICT', message: 'Nothing is waiting for a dependency' },
  'account-disabled': { status: 403, errorCode: 'FORBIDDEN', message: 'The account is disabled; ask an administrator' },
  forbidden: { status: 403, errorCode: 'FORBIDDEN', message: 'This requires the role admin; ask an administrator' },
  'device-limit': {
    status: 409,
    errorCode: 'DEVICE_LIMIT',
    message: 'The account has as many devices as it may have; revoke one first',
  },
  'device-present': {
    status: 409,
    errorCode: 'CONFLICT',
    message: 'The session belongs to a device already; log in again to add another one',
  },
  'device-missing': {
    status: 403,
    errorCode: 'FORBIDDEN',
    message: 'The session belongs to no device; add one with PUT /api/v1/devices/me, or link it',
  },
  'device-on-probation': {
    status: 403,
    errorCode: 'FORBIDDEN',
    message: 'A device that was just linked cannot do this yet; use another device or try again later',
  },
  'devices-differ': {
    status: 409,
    errorCode: 'CONFLICT',
    message: 'The request must name every device of the account and no other; list the devices and repeat it',
  },
  'key-id-taken': {
    status: 409,
    errorCode: 'CONFLICT',
    message: 'A key with this id was uploaded before and is another one; use a new id',
  },
  'link-claimed': { status: 409, errorCode: 'CONFLICT', message: 'Another device has claimed this link' },
  'link-not-claimed': { status: 409, errorCode: 'CONFLICT', message: 'No device has claimed this link yet' },
  'link-not-revealed': {
    status: 409,
    errorCode: 'CONFLICT',
    message: 'The new device has not revealed its nonce yet; wait for it',
  },
  'link-not-approved': { status: 409, errorCode: 'CONFLICT', message: 'The link is not approved' },
  'link-denied': { status: 409, errorCode: 'CONFLICT', message: 'The link was denied; start a new one' },
  'link-expired': { status: 410, errorCode: 'GONE', message: 'The link has expired; start a new one' },
  'link-used': {
    status: 409,
    errorCode: 'CONFLICT',
    message:
      'A device is being added or was added by this link; repeat the request with the same device, or start a new link',
  },
  'link-locked': {
    status: 403,
    errorCode: 'FORBIDDEN',
    message: 'Devices cannot be linked to this account at the moment',
  },
  'message-too-large': {
    status: 413,
    errorCode: 'INVALID_REQUEST',
    message: 'A content is larger than 96 KiB; send a reference to it instead',
  },
  'client-message-id-reused': {
    status: 409,
    errorCode: 'CONFLICT',
    message: 'The client message id was already used for another content; use a new one for each message',
  },
  'devices-mismatched': {
    status: 409,
    errorCode: 'CONFLICT',
    message:
      'The message must have a copy for every device of the user and no other; get the keys of those that are missing',
  },
  'devices-stale': {
    status: 410,
    errorCode: 'GONE',
    message: 'Devices have been replaced by others; get their keys and encrypt again',
  },
  'conversation-not-accepted': {
    status: 403,
    errorCode: 'FORBIDDEN',
    message: 'The user has not accepted your first message yet; wait for an answer',
  },
  'conversation-blocked': {
    status: 403,
    errorCode: 'FORBIDDEN',
    message: 'You have blocked this user; accept the conversation first',
  },
  'conversation-closed': {
    status: 403,
    errorCode: 'FORBIDDEN',
    message: 'Both users must have accepted the conversation and share this with each other',
  },
  'push-missing': {
    status: 409,
    errorCode: 'CONFLICT',
    message: 'The device has no push registration; set one with PUT /api/v1/devices/me/push',
  },
  'signal-refused': {
    status: 409,
    errorCode: 'SIGNAL_REFUSED',
    message: 'The Signal server refuses the registration',
  },
  'signal-keys-refused': {
    status: 422,
    errorCode: 'SIGNAL_REFUSED',
    message: 'The Signal server refuses the attributes or keys',
  },
  'signal-locked': {
    status: 423,
    errorCode: 'SIGNAL_REFUSED',
    message: 'The number has a registration lock at the Signal server',
  },
  'signal-limited': {
    status: 429,
    errorCode: 'SIGNAL_REFUSED',
    message: 'The Signal server has had too many attempts for this number; try again later',
  },
  'signal-unavailable': {
    status: 503,
    errorCode: 'UNAVAILABLE',
    message: 'The Signal server is unavailable; the registration continues when it is available again',
  },
  'directory-unavailable': {
    status: 503,
    errorCode: 'UNAVAILABLE',
    message: 'The directory is unavailable; the registration continues when it is available again',
  },
  unavailable: {
    status: 503,
    errorCode: 'UNAVAILABLE',
    message: 'The service is unavailable at the moment; try again in a few seconds',
  },
};
