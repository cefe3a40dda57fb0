/** Log-in, sessions, passwords and PINs: `/auth`. */
import { z } from 'zod';
import { channels } from '../domain/verification.ts';
import { Device } from './devices.ts';
import { commonFailures, operation, rpcOperation } from './operation.ts';
import { CaptchaProof, captchaFailures, Registration } from './registrations.ts';
import {
  codeOnItsWay,
  instant,
  messageToken,
  newPassword,
  pageCursor,
  pageLimit,
  pinText,
  Session,
  secretText,
  Tokens,
  text,
  typedCode,
  typedPassword,
  typedPin,
  typedText,
  User,
} from './schemas.ts';

const base = '/api/v1/auth';
const identifier = typedText(320).describe('User name, telephone number with country code, or e-mail address');

const NewLogIn = z.strictObject({
  identifier,
  channel: z.enum(channels).optional().describe('Channel of the code; by default e-mail for an address, else SMS'),
  password: typedPassword.optional(),
  captcha: CaptchaProof.optional().describe('Required after the first few log-ins by code; the refusal says so'),
});

/** A log-in that waits for its code. */
const StartedLogIn = z
  .object({
    loginId: z.string(),
    ...codeOnItsWay,
    nextCodeAt: instant
      .optional()
      .describe('The typed number, known or not, has had its codes: until then no code goes to it'),
  })
  .meta({ id: 'StartedLogIn' });

const CodeToVerify = z.strictObject({
  loginId: text(64).optional(),
  registrationId: text(64).optional().describe('Instead of loginId, with the token of the registration'),
  code: typedCode,
  pin: typedPin.optional().describe('For a log-in: the PIN, if the account asks for it after the code (423)'),
  password: typedPassword.optional().describe('For a log-in: the password, in place of the PIN'),
  device: Device.optional().describe('For a log-in: makes the session one of this device, as PUT /devices/me does'),
});

/** Tokens, or a registration that has more steps. */
const Verified = z.union([Tokens, Registration]).meta({ id: 'Verified' });

const logIn = {
  method: 'post',
  description:
    'Without `password`, a code is sent and the answer is 202 with the same content for known and unknown people. With the right password the answer is 200 with tokens, unless the account asks for a code as well (202). A wrong password, an unknown name and a disabled account cannot be told apart.',
  example: { identifier: 'ada', password: 'violet-harbour-engraves-93' },
  auth: 'none',
  body: NewLogIn,
  answers: { 202: StartedLogIn, 200: Tokens },
  // a repeat may have another captcha
  idempotent: { name: 'login', body: ['identifier', 'channel'], proof: true },
  failures: [
    ...commonFailures,
    ...captchaFailures,
    'credentials-wrong',
    'directory-unavailable',
    'account-disabled',
    'idempotency-key-reused',
  ],
} as const;

const verify = {
  method: 'post',
  description:
    'For a log-in the answer has tokens. For a registration, which needs its token as bearer token, the answer is the registration if steps are left. Some accounts ask for the PIN or the password after a code by telephone number (423): repeat the call with it.',
  example: { loginId: '5b0c1f6e2d3a49788f7e6d5c4b3a2910', code: '482913' },
  auth: 'none',
  body: CodeToVerify,
  bodyBytesMax: 1_048_576,
  answers: { 200: Verified },
  idempotent: { name: 'verify', by: ['loginId', 'registrationId'], proof: true },
  failures: [
    ...commonFailures,
    'unauthenticated',
    'credentials-wrong',
    'registration-locked',
    'directory-unavailable',
    'not-found',
    'code-wrong',
    'code-expired',
    'code-not-sent',
    'identity-taken',
    'step-not-available',
    'registration-expired',
    'registration-closed',
    'session-already-taken',
    'account-disabled',
    'authentication-too-old',
    'device-limit',
    'idempotency-key-reused',
  ],
} as const;

/** The operations on log-ins and sessions. */
export const sessionOperations = {
  beginLogIn: operation({
    ...logIn,
    path: `${base}/login/init`,
    summary: 'Log in: request a code, or send the password',
  }),
  beginLogInAlias: operation({ ...logIn, path: `${base}/login`, summary: 'The same as /auth/login/init' }),
  verify: operation({
    ...verify,
    path: `${base}/login/verify`,
    summary:
      'Verify the code of a log-in or registration; after a code by number, an account may ask for its PIN or password',
  }),
  verifyAlias: operation({ ...verify, path: `${base}/verify`, summary: 'The same as /auth/login/verify' }),
  refreshTokens: operation({
    method: 'post',
    path: `${base}/refresh-token`,
    summary: 'Exchange a refresh token for new tokens; it is rotated',
    description:
      'The old refresh token is used up. Its reuse after the new one was used ends all sessions of its family, because one of the two users has stolen it. The same request may be repeated within 10 seconds, in case the answer was lost.',
    auth: 'none',
    body: z.strictObject({ refreshToken: secretText(1, 512) }),
    answers: { 200: Tokens },
    failures: [...commonFailures, 'token-invalid'],
  }),
  logOut: operation({
    method: 'post',
    path: `${base}/logout`,
    summary: 'End the session of the access token, or every session of its user',
    description:
      'Access tokens and sockets of an ended session stop working within a second. The devices and their keys stay.',
    example: { everywhere: true },
    auth: 'session',
    body: z.strictObject({ everywhere: z.boolean().optional().describe('Ends every session of the user') }).optional(),
    answers: { 204: null },
    failures: commonFailures,
  }),
  readSession: operation({
    method: 'get',
    path: `${base}/session`,
    summary: 'Get the session of the access token',
    description:
      'The fastest check of an access token: it asks neither MongoDB nor Temporal. Other servers can check tokens without a call, by the keys of `/.well-known/jwks.json`.',
    auth: 'session',
    answers: { 200: Session },
    failures: commonFailures,
  }),
  readMeAlias: operation({
    method: 'get',
    path: `${base}/me`,
    summary: 'The same as /users/me',
    description: 'An alias of `GET /users/me` for clients that look for it under `/auth`.',
    auth: 'session',
    answers: { 200: User },
    failures: [...commonFailures, 'not-found'],
  }),
  listSessions: operation({
    method: 'get',
    path: `${base}/sessions`,
    summary: 'List the active sessions of the user',
    description: 'The newest first. `isCurrent` marks the session of the access token.',
    auth: 'session',
    query: z.strictObject({ limit: pageLimit, cursor: pageCursor.optional() }),
    answers: {
      200: z
        .object({ items: z.array(Session.extend({ isCurrent: z.boolean() })), nextCursor: z.string().nullable() })
        .meta({ id: 'SessionPage' }),
    },
    failures: commonFailures,
  }),
  endSession: operation({
    method: 'delete',
    path: `${base}/sessions/:sessionId`,
    summary: 'End a session of the user',
    description: 'Its access tokens and sockets stop working within a second.',
    auth: 'session',
    answers: { 204: null },
    failures: [...commonFailures, 'not-found'],
  }),
} as const;

/** The operations on passwords and PINs. */
export const credentialOperations = {
  forgetPassword: operation({
    method: 'post',
    path: `${base}/password/forgot`,
    summary: 'Send the owner of an account a link to choose a new password; the answer is the same for unknown users',
    description:
      'The look-up happens after the answer, so that neither status nor time tells whether the account exists. The message has two links: one to choose a new password and one to stop the recovery.',
    auth: 'none',
    body: z.strictObject({ identifier }),
    answers: { 202: null },
    idempotent: true,
    failures: [...commonFailures, 'idempotency-key-reused'],
  }),
  resetPassword: operation({
    method: 'post',
    path: `${base}/password/reset`,
    summary: 'Set a new password by the token of the message; every session ends',
    description:
      'The token works once, and ends with every change of the password, the PIN, the number or the address. The owner is notified.',
    example: { token: 'AmQ3kP0vX8sB2nW7yC5tZ1rF6hJ9dL4gE_uI-oMaTbc', password: 'violet-harbour-engraves-93' },
    auth: 'none',
    body: z.strictObject({
      token: messageToken,
      password: newPassword,
      pin: typedPin.optional().describe('The PIN, if the account asks for it because the token came by SMS (423)'),
    }),
    answers: { 204: null },
    failures: [...commonFailures, 'token-invalid', 'password-weak', 'registration-locked'],
  }),
  stopRecovery: operation({
    method: 'post',
    path: `${base}/password/stop`,
    summary: 'Stop a recovery that the owner did not request, by the other token of the message',
    description: 'Ends the recovery, so that its other token no longer works. The token works once.',
    auth: 'none',
    body: z.strictObject({ token: messageToken }),
    answers: { 204: null },
    failures: [...commonFailures, 'token-invalid'],
  }),
  changePassword: operation({
    method: 'put',
    path: `${base}/password`,
    summary: 'Change the password; every other session ends',
    description: 'The current session stays; its owner is notified. The new password is judged as at a registration.',
    auth: 'session',
    body: z.strictObject({ currentPassword: typedPassword, newPassword }),
    answers: { 204: null },
    failures: [...commonFailures, 'credentials-wrong', 'password-weak', 'not-found'],
  }),
  changePin: operation({
    method: 'put',
    path: `${base}/pin`,
    summary: 'Set or change the PIN; every other session ends',
    description: 'The first PIN needs the current password, a later one the current PIN. The owner is notified.',
    example: { pin: '528491', currentPassword: 'violet-harbour-engraves-93' },
    auth: 'session',
    stepUp: 'always',
    isBarredOnProbation: true,
    body: z.strictObject({
      pin: pinText,
      currentPin: typedPin.optional().describe('Required if the account has a PIN'),
      currentPassword: typedPassword.optional().describe('Required if the account has no PIN'),
    }),
    answers: { 204: null },
    failures: [...commonFailures, 'credentials-wrong', 'password-weak', 'step-not-available'],
  }),
  verifyPin: operation({
    method: 'post',
    path: `${base}/pin/verify`,
    summary: 'Verify a PIN; after ten wrong PINs in a day, even the correct one is refused',
    description:
      'For apps that ask for the PIN from time to time, so that its owner does not forget it. It does not count as a recent authentication: `POST /auth/step-up` does.',
    auth: 'session',
    body: z.strictObject({ pin: typedPin }),
    answers: { 204: null },
    failures: [...commonFailures, 'credentials-wrong'],
  }),
  stepUp: operation({
    method: 'post',
    path: `${base}/step-up`,
    summary: 'Authenticate again by password or PIN, for operations that need a recent authentication',
    description:
      'Operations that need a recent authentication answer 401 with `maxAgeSeconds` when the last one is too long ago. Authenticate here and repeat them.',
    example: { password: 'violet-harbour-engraves-93' },
    auth: 'session',
    body: z
      .strictObject({ password: typedPassword.optional(), pin: typedPin.optional() })
      .refine(({ password, pin }) => (password === undefined) !== (pin === undefined), {
        path: ['password'],
        message: 'either password or pin is required',
      }),
    answers: { 204: null },
    failures: [...commonFailures, 'credentials-wrong'],
  }),
  beginPinReset: operation({
    method: 'post',
    path: `${base}/pin/reset/code`,
    summary: 'Send a code for a new PIN',
    description: 'The answer has the `resetId` for `POST /auth/pin/reset`.',
    example: { channel: 'sms' },
    auth: 'session',
    stepUp: 'always',
    isBarredOnProbation: true,
    body: z
      .strictObject({
        channel: z.enum(channels).optional().describe('By default SMS, or e-mail if the account has no number'),
      })
      .optional(),
    answers: { 202: z.object({ resetId: z.string(), ...codeOnItsWay }).meta({ id: 'StartedPinReset' }) },
    idempotent: true,
    failures: [...commonFailures, 'channel-not-available', 'idempotency-key-reused'],
  }),
  resetPin: operation({
    method: 'post',
    path: `${base}/pin/reset`,
    summary: 'Replace a forgotten PIN by a fresh code; every other session ends',
    description:
      'For a day after a password recovery, no code by the same channel resets the PIN (429 with `limit` `pin-reset-after-recovery`).',
    auth: 'session',
    isBarredOnProbation: true,
    body: z.strictObject({ resetId: text(64), code: typedCode, pin: pinText }),
    answers: { 204: null },
    failures: [...commonFailures, 'password-weak', 'not-found', 'code-wrong', 'code-expired'],
  }),
} as const;

/** The operations on tokens that only gRPC serves. */
export const tokenOperations = {
  validateToken: rpcOperation({
    summary: 'Validate an access token for another server',
    auth: 'none',
    body: z.strictObject({ accessToken: secretText(1, 8192) }),
    answers: {
      200: z.object({
        userId: z.string(),
        sessionId: z.string(),
        roles: z.array(z.string()).describe('The current roles'),
        expiresAt: instant.describe('Expiry of the token'),
      }),
    },
    failures: [...commonFailures, 'unauthenticated', 'token-invalid'],
  }),
} as const;
