/** The shapes that more than one operation parses or answers. The OpenAPI document is made of them. */
import { z } from 'zod';
import { Failure } from '../domain/failures.ts';

/** Text without control characters or invisible direction marks (RFC 8265 refuses them, UTS #39 says why). */
export function text(lengthMax: number): z.ZodString {
  return z
    .string()
    .min(1, 'must not be empty')
    .max(lengthMax, `must be at most ${lengthMax} characters`)
    .regex(
      /^[^\p{Cc}\p{Cs}\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]*$/u,
      'must not contain control characters',
    );
}

/** A secret that is compared or hashed byte by byte: anything but NUL. */
export function secretText(lengthMin: number, lengthMax: number): z.ZodString {
  return z
    .string()
    .min(lengthMin, `must be at least ${lengthMin} characters`)
    .max(lengthMax, `must be at most ${lengthMax} characters`)
    .regex(/^[^\0]*$/, 'must not contain NUL');
}

/** A PIN that is to be kept; whether it is too simple is judged by the operation. */
export const pinText = z.string().regex(/^\d{4,20}$/, 'must be 4 to 20 digits');

/** A PIN as typed, to be compared. */
export const typedPin = z.string().regex(/^\d{1,20}$/, 'must be digits');

/** The token of a message to an owner, as pasted or taken from its link. */
export const messageToken = z.string().regex(/^[\w-]{43}$/, 'must be the one of the message');

/** How many items a page of a list has. */
export const pageLimit = z.coerce
  .number('must be 1 to 100')
  .int('must be 1 to 100')
  .min(1, 'must be 1 to 100')
  .max(100, 'must be 1 to 100')
  .default(50);

const instant = z.iso.datetime();

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
  waitingFor: z.string().optional().describe('The outside system it waits for'),
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

/** A registration as clients see it; null for a `next…At` means that waiting does not help. */
export const Registration = registrationShape.meta({ id: 'Registration' });
export type Registration = z.output<typeof registrationShape>;

/** A new registration with the token that moves it, shown once. */
export const StartedRegistration = registrationShape
  .extend({ registrationToken: z.string() })
  .meta({ id: 'StartedRegistration' });

/** A person as the person sees it. */
export const User = z
  .object({
    userId: z.string(),
    username: z.string().optional(),
    fullName: z.string().optional(),
    email: z.string().optional(),
    phone: z.string().optional(),
    locale: z.string().optional().describe('Language of messages, BCP 47'),
    groups: z.array(z.string()),
    roles: z.array(z.string()),
    createdAt: instant,
    deletionAt: instant.optional().describe('When the account is deleted, once that was asked for'),
  })
  .meta({ id: 'User' });

/** What a log-in ends with. */
export const Tokens = z
  .object({
    accessToken: z.string(),
    refreshToken: z.string(),
    tokenType: z.literal('Bearer'),
    expiresInSeconds: z.int(),
    refreshExpiresInSeconds: z.int(),
    user: User,
  })
  .meta({ id: 'Tokens' });

/** The session of an access token. */
export const Session = z
  .object({
    sessionId: z.string(),
    userId: z.string(),
    deviceId: z.string().nullable(),
    createdAt: instant,
    authenticatedAt: instant.describe('When the person last proved who they are'),
    lastActivityAt: instant,
    expiresAt: instant,
    ip: z.string(),
    userAgent: z.string(),
    roles: z.array(z.string()),
  })
  .meta({ id: 'Session' });

/** The shape of every error. */
export const ErrorBody = z
  .looseObject({
    error: z.string(),
    error_code: z.string(),
    retry_after_seconds: z.int().optional(),
    request_id: z.string(),
    details: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Error' });

/** Enough for every field there is; more lines would only repeat what was sent. */
const detailsMax = 20;

/**
 * Parses what came from outside.
 *
 * @throws {Failure} malformed, with a line for each field, up to 20
 */
export function parse<T extends z.ZodType>(schema: T, input: unknown): z.output<T> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw new Failure('malformed', { details: parsed.error.issues.flatMap(detailsOf).slice(0, detailsMax) });
}

/** A `malformed` failure about one field. */
export function malformed(path: string, message: string): Failure {
  return new Failure('malformed', { details: [{ path, message }] });
}

/** Messages name fields, never what was in them. */
function detailsOf(issue: z.core.$ZodIssue): { path: string; message: string }[] {
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [path, key.slice(0, 100)].filter(Boolean).join('.'),
      message: 'is not known',
    }));
  }
  return [{ path, message: issue.message }];
}
