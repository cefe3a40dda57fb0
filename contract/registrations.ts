/** Registrations: `/registrations`, `/captcha`, and their short form `/auth/register`. */
import { z } from 'zod';
import type { FailureCode } from '../domain/failures.ts';
import { channels, clientKinds } from '../domain/verification.ts';
import { LinkOffer } from './device-links.ts';
import { Device } from './devices.ts';
import { commonFailures, operation } from './operation.ts';
import {
  chosenUsername,
  instant,
  localeTag,
  messageToken,
  newPassword,
  personName,
  pinText,
  Tokens,
  text,
  typedCode,
  typedPassword,
  typedPin,
  typedText,
  waitSeconds,
} from './schemas.ts';
import { SignalAccount, SignalRegistration } from './signal.ts';

const base = '/api/v1/registrations';
const one = `${base}/:registrationId`;
const stepFailures = [
  ...commonFailures,
  'registration-expired',
  'registration-closed',
  'step-not-available',
] as const satisfies FailureCode[];
/** The failures of a captcha. */
export const captchaFailures = [
  'captcha-malformed',
  'captcha-used',
  'captcha-refused',
] as const satisfies FailureCode[];

const registrationShape = z.object({
  registrationId: z.string(),
  state: z.enum(['pending', 'waiting', 'completed', 'rejected', 'expired', 'cancelled']),
  steps: z.array(
    z.object({
      name: z.string(),
      status: z.enum(['open', 'blocked', 'waiting', 'done', 'skipped']),
      reason: z.string().optional(),
    }),
  ),
  expiresAt: instant,
  waitingFor: z.string().optional().describe('The dependency that it waits for'),
  reason: z.string().optional().describe('Why it was rejected'),
  phone: z.string().optional().describe('Masked'),
  email: z.string().optional().describe('Masked'),
  nextSmsAt: instant.nullable(),
  nextVoiceAt: instant.nullable(),
  nextEmailAt: instant.nullable(),
  nextCheckAt: instant.nullable(),
  attemptsLeft: z.int(),
  userId: z.string().optional(),
});

/** A registration for clients; null for a `next…At` means that waiting does not help. */
export const Registration = registrationShape.meta({ id: 'Registration' });
export type Registration = z.output<typeof registrationShape>;

/** A new registration with its bearer token, which is shown once. */
export const StartedRegistration = registrationShape
  .extend({ registrationToken: z.string() })
  .meta({ id: 'StartedRegistration' });
export type StartedRegistration = z.output<typeof StartedRegistration>;

/** A new registration. When the policy has the directory step, its entry replaces all of this. */
export const NewRegistration = z.strictObject({
  fullName: personName.optional(),
  username: chosenUsername.optional(),
  email: typedText(320).optional(),
  phone: typedText(40).optional(),
  locale: localeTag.optional(),
  client: z.enum(clientKinds).optional(),
});
export type NewRegistration = z.output<typeof NewRegistration>;

/** The short form: a new registration and the channel of its code. */
const ShortRegistration = NewRegistration.extend({
  channel: z.enum(channels).optional().describe('By default SMS if there is a number, otherwise e-mail'),
});

/** A solved captcha, as returned by the widget of its provider. */
export const CaptchaProof = z.strictObject({ provider: text(32), token: text(10_000) });
export type CaptchaProof = z.output<typeof CaptchaProof>;

const CodeRequest = z.strictObject({ channel: z.enum(channels), captcha: CaptchaProof.optional() });
export type CodeRequest = z.output<typeof CodeRequest>;

/** None of them is allowed as well: the refusal says that the account is locked. */
function isOneProof({
  pin,
  ...offer
}: {
  pin?: unknown;
  deviceName?: unknown;
  publicKey?: unknown;
  nonceHash?: unknown;
}): boolean {
  const given = [offer.deviceName, offer.publicKey, offer.nonceHash].filter((part) => part !== undefined).length;
  return given === 0 || (given === 3 && pin === undefined);
}

/** The operations on registrations, in the order of the API's documentation. */
export const registrationOperations = {
  createRegistration: operation({
    method: 'post',
    path: base,
    summary: 'Start a registration',
    auth: 'none',
    body: NewRegistration,
    answers: { 201: StartedRegistration },
    idempotent: true,
    failures: [...commonFailures, 'idempotency-key-reused'],
  }),
  readRegistration: operation({
    method: 'get',
    path: one,
    summary: 'Get the state of a registration, at once or as soon as it changes',
    auth: 'registration',
    query: z.strictObject({ waitSeconds }),
    answers: { 200: Registration },
    failures: commonFailures,
  }),
  verifyDirectory: operation({
    method: 'put',
    path: `${one}/directory`,
    summary: 'Verify a directory user name and password',
    auth: 'registration',
    body: z.strictObject({ username: typedText(256), password: typedPassword }),
    answers: { 200: Registration },
    failures: [...stepFailures, 'credentials-wrong', 'directory-unavailable', 'identity-taken'],
  }),
  offerCaptcha: operation({
    method: 'get',
    path: '/api/v1/captcha',
    summary: 'Get what a client needs to show a captcha',
    auth: 'none',
    answers: {
      200: z.object({ provider: z.string(), siteKey: z.string().optional(), challenge: z.unknown().optional() }),
    },
    failures: ['rate-limited', 'unavailable'],
  }),
  verifyCaptcha: operation({
    method: 'put',
    path: `${one}/captcha`,
    summary: 'Verify a solved captcha',
    auth: 'registration',
    body: CaptchaProof,
    answers: { 200: Registration },
    failures: [...stepFailures, ...captchaFailures, 'identity-taken'],
  }),
  sendCode: operation({
    method: 'post',
    path: `${one}/codes`,
    summary: 'Send a code',
    auth: 'registration',
    body: CodeRequest,
    answers: { 202: Registration },
    // a repeat may have another captcha
    idempotent: { body: ['channel'] },
    failures: [
      ...stepFailures,
      ...captchaFailures,
      'step-blocked',
      'channel-not-available',
      'channel-refused',
      'idempotency-key-reused',
    ],
  }),
  verifyCode: operation({
    method: 'put',
    path: `${one}/code`,
    summary: 'Verify the code',
    auth: 'registration',
    body: z.strictObject({ code: typedCode }),
    answers: { 200: Registration },
    failures: [...stepFailures, 'code-wrong', 'code-not-sent', 'code-expired', 'identity-taken'],
  }),
  submitCredentials: operation({
    method: 'put',
    path: `${one}/credentials`,
    summary: 'Set a password, a PIN or both',
    auth: 'registration',
    body: z
      .strictObject({ password: newPassword.optional(), pin: pinText.optional() })
      .refine((given) => given.password !== undefined || given.pin !== undefined, 'password or pin is required'),
    answers: { 200: Registration },
    // only the key identifies a repeat, so that not even a keyed hash of a secret is stored
    idempotent: { body: [] },
    failures: [...stepFailures, 'password-weak', 'identity-taken', 'idempotency-key-reused'],
  }),
  submitApproval: operation({
    method: 'put',
    path: `${one}/approval`,
    summary:
      'Open the registration lock of the account that has the number, address or directory entry: by its PIN, or by asking its devices',
    auth: 'registration',
    body: z
      .strictObject({
        pin: typedPin.optional(),
        deviceName: LinkOffer.deviceName.optional(),
        publicKey: LinkOffer.publicKey.optional(),
        nonceHash: LinkOffer.nonceHash.optional(),
      })
      .refine(isOneProof, 'either pin, or deviceName, publicKey and nonceHash'),
    answers: {
      200: Registration,
      202: z.object({ linkId: z.string(), linkToken: z.string(), expiresAt: instant }).meta({ id: 'StartedApproval' }),
    },
    failures: [...stepFailures, 'registration-locked', 'identity-taken', 'link-locked'],
  }),
  submitDevice: operation({
    method: 'put',
    path: `${one}/device`,
    summary:
      'Describe the device that the account gets. After an approval by a device it must have the identity key of the account; otherwise the other devices of an existing account end',
    auth: 'registration',
    body: Device,
    bodyBytesMax: 1_048_576,
    answers: { 200: Registration },
    failures: [...stepFailures, 'identity-taken', 'device-limit'],
  }),
  submitSignal: operation({
    method: 'put',
    path: `${one}/signal`,
    summary: 'Register the verified number at the Signal server; a repeat with the same body gets the same answer',
    auth: 'registration',
    body: SignalRegistration,
    bodyBytesMax: 1_048_576,
    answers: { 200: SignalAccount },
    failures: [
      ...stepFailures,
      'step-blocked',
      'identity-taken',
      'signal-refused',
      'signal-keys-refused',
      'signal-locked',
      'signal-limited',
      'signal-unavailable',
    ],
  }),
  createRegistrationSession: operation({
    method: 'post',
    path: `${one}/session`,
    summary: 'Begin the session of a completed registration',
    auth: 'registration',
    answers: { 201: Tokens },
    idempotent: { name: 'registration-session', body: [] },
    failures: [
      ...commonFailures,
      'registration-unfinished',
      'session-already-taken',
      'account-disabled',
      'idempotency-key-reused',
    ],
  }),
  cancelRegistration: operation({
    method: 'delete',
    path: one,
    summary: 'Cancel a registration',
    auth: 'registration',
    answers: { 204: null },
    failures: [...commonFailures, 'registration-expired', 'registration-closed'],
  }),
  stopRegistrations: operation({
    method: 'post',
    path: `${base}/stop`,
    summary:
      'End the running registrations of a number or address that its owner did not start, by the token of the message',
    auth: 'none',
    body: z.strictObject({ token: messageToken }),
    answers: { 204: null },
    failures: [...commonFailures, 'token-invalid'],
  }),
  register: operation({
    method: 'post',
    path: '/api/v1/auth/register',
    summary: 'Start a registration and send its code',
    auth: 'none',
    body: ShortRegistration,
    answers: { 201: StartedRegistration },
    idempotent: true,
    failures: [...commonFailures, 'channel-not-available', 'channel-refused', 'idempotency-key-reused'],
  }),
} as const;
