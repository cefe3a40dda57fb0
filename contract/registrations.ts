/** Registrations: `/registrations`, `/captcha`, and their short form `/auth/register`. */
import { z } from 'zod';
import type { FailureCode } from '../domain/failures.ts';
import { channels, clientKinds } from '../domain/verification.ts';
import { LinkOffer } from './device-links.ts';
import { Device } from './devices.ts';
import { signalExample } from './examples.ts';
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
    description:
      'Starts a durable workflow and answers at once. `steps` lists what to do next, in any order that their needs allow; every later call moves one step, from any client that has the `registrationToken`, which is shown only here. When the policy has the step `directory`, the entry of the directory replaces what is sent here.',
    example: { fullName: 'Ada Lovelace', phone: '+447700900101', locale: 'en-GB', client: 'web' },
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
    description:
      'With `waitSeconds` the answer comes with the next change, or after that time with the same state. A `next…At` of null means that waiting does not make the act possible. `phone` and `email` are masked.',
    auth: 'registration',
    query: z.strictObject({ waitSeconds }),
    answers: { 200: Registration },
    failures: commonFailures,
  }),
  verifyDirectory: operation({
    method: 'put',
    path: `${one}/directory`,
    summary: 'Verify a directory user name and password',
    description:
      'Binds at the LDAP directory as that person. Number, address, name and groups of the account come from the entry. While the directory is unavailable the registration stays open (503): repeat the call later.',
    auth: 'registration',
    body: z.strictObject({ username: typedText(256), password: typedPassword }),
    answers: { 200: Registration },
    failures: [...stepFailures, 'credentials-wrong', 'directory-unavailable', 'identity-taken'],
  }),
  offerCaptcha: operation({
    method: 'get',
    path: '/api/v1/captcha',
    summary: 'Get what a client needs to show a captcha',
    description:
      'For hCaptcha, Turnstile and reCAPTCHA the answer has the `siteKey` of their widget. For `altcha` it has a `challenge`, a proof of work that the client solves by itself.',
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
    description: 'A token of a widget works once. A refused captcha (403) leaves the step open: show a new one.',
    auth: 'registration',
    body: CaptchaProof,
    answers: { 200: Registration },
    failures: [...stepFailures, ...captchaFailures, 'identity-taken'],
  }),
  sendCode: operation({
    method: 'post',
    path: `${one}/codes`,
    summary: 'Send a code',
    description:
      'The number or address comes from the directory or from the start of the registration. The step `captcha`, when the policy has it, must be done first. `nextSmsAt`, `nextVoiceAt` and `nextEmailAt` of the answer say when another code can be sent by each channel.',
    example: { channel: 'sms' },
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
    description:
      'Blanks and dashes in the code are ignored. A wrong code (400) tells `attemptsLeft`, and `nextCodeAt` when that is 0.',
    auth: 'registration',
    body: z.strictObject({ code: typedCode }),
    answers: { 200: Registration },
    failures: [...stepFailures, 'code-wrong', 'code-not-sent', 'code-expired', 'identity-taken'],
  }),
  submitCredentials: operation({
    method: 'put',
    path: `${one}/credentials`,
    summary: 'Set a password, a PIN or both',
    description:
      'The password is judged by zxcvbn, with the words of this person, and has 8 to 128 characters; a PIN has 4 to 20 digits. Nothing that is sent here is stored before the registration is complete.',
    example: { password: 'violet-harbour-engraves-93' },
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
    description:
      'The step `approval` joins a registration when its identity has an account with a PIN or with devices. With `pin` the answer is 200. With the other fields the devices of the account are asked (202), and the new device continues with `linkId` and `linkToken` as in a device link. Without either the answer is 423, which says how the lock can be opened.',
    example: { pin: '528491' },
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
    description: 'The server gets public keys only. It checks every signature with `identityKey`.',
    auth: 'registration',
    body: Device,
    bodyBytesMax: 1_048_576,
    answers: { 200: Registration },
    failures: [...stepFailures, 'identity-taken', 'device-limit'],
  }),
  submitSignal: operation({
    example: signalExample,
    method: 'put',
    path: `${one}/signal`,
    summary: 'Register the verified number at the Signal server; a repeat with the same body gets the same answer',
    description:
      'A step of policies that list `signal`. When the Signal server refuses, the answer has its own code, message and advice when to retry.',
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
    description:
      'Works once for a registration token, after `state` is `completed`. With the same `Idempotency-Key` a lost answer can be asked for again.',
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
    description: 'Undoes what the registration has done so far. A registration that has ended is not changed (409).',
    auth: 'registration',
    answers: { 204: null },
    failures: [...commonFailures, 'registration-expired', 'registration-closed'],
  }),
  stopRegistrations: operation({
    method: 'post',
    path: `${base}/stop`,
    summary:
      'End the running registrations of a number or address that its owner did not start, by the token of the message',
    description:
      'The token comes from the link of the message that tells an owner about a registration with their number or address. It works once, and opening the link uses nothing up.',
    auth: 'none',
    body: z.strictObject({ token: messageToken }),
    answers: { 204: null },
    failures: [...commonFailures, 'token-invalid'],
  }),
  register: operation({
    method: 'post',
    path: '/api/v1/auth/register',
    summary: 'Start a registration and send its code',
    description:
      'The short form of a registration: start and first code in one call, for policies without the steps `directory` and `captcha`. Continue with `POST /auth/verify` and `registrationId`.',
    example: { fullName: 'Ada Lovelace', username: 'ada', email: 'ada@example.org', channel: 'email' },
    auth: 'none',
    body: ShortRegistration,
    answers: { 201: StartedRegistration },
    idempotent: true,
    failures: [...commonFailures, 'channel-not-available', 'channel-refused', 'idempotency-key-reused'],
  }),
} as const;
