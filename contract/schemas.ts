/** The schemas that several operations share. */
import { z } from 'zod';
import { channels } from '../domain/verification.ts';

/** Text without control characters or invisible direction marks (RFC 8265, UTS #39). */
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

/** The schemas of secrets. A copy with a description is a secret as well. */
const secrets = z.registry<{ isSecret: true }>();

function secret(schema: z.ZodString): z.ZodString {
  return schema.register(secrets, { isSecret: true });
}

/** Returns whether a schema, or the one behind an optional one, is that of a secret. */
export function isSecret(schema: z.core.$ZodType): boolean {
  if (secrets.get(schema) !== undefined) return true;
  return schema instanceof z.ZodOptional && isSecret(schema.unwrap());
}

/** A secret that is compared or hashed byte by byte: every character except NUL. */
export function secretText(lengthMin: number, lengthMax: number): z.ZodString {
  return secret(
    z
      .string()
      .min(lengthMin, `must be at least ${lengthMin} characters`)
      .max(lengthMax, `must be at most ${lengthMax} characters`)
      .regex(/^[^\0]*$/, 'must not contain NUL'),
  );
}

/** A password that is compared. */
export const typedPassword = secretText(1, 1024);

/** A new password; the operation checks its strength. */
export const newPassword = secretText(8, 128);

/** A new PIN; the operation checks its strength. */
export const pinText = secret(z.string().regex(/^\d{4,20}$/, 'must be 4 to 20 digits'));

/** A PIN that is compared. */
export const typedPin = secret(z.string().regex(/^\d{1,20}$/, 'must be digits'));

/** A one-time code that is compared. */
export const typedCode = secret(z.string().regex(/^\d{4,10}$/, 'must be 4 to 10 digits'));

/** The token of a message to an owner, as pasted or taken from its link. */
export const messageToken = secret(z.string().regex(/^[\w-]{43}$/, 'must be the token of the message'));

/** A BCP 47 language tag. */
export const localeTag = text(35).refine(isLocale, 'must be a BCP 47 language tag');

/** Number of items on a page of a list. */
export const pageLimit = z.coerce
  .number('must be 1 to 100')
  .int('must be 1 to 100')
  .min(1, 'must be 1 to 100')
  .max(100, 'must be 1 to 100')
  .default(50);

/** ISO 8601 in UTC. */
export const instant = z.iso.datetime();

/** A code that is being sent; the name of its id depends on its purpose. */
export const codeOnItsWay = { channel: z.enum(channels), expiresAt: instant };

/** A user as that user sees the account. */
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
    deletionAt: instant.optional().describe('When the account is deleted, if a deletion is scheduled'),
  })
  .meta({ id: 'User' });
export type User = z.output<typeof User>;

/** Result of a log-in. */
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
export type Tokens = z.output<typeof Tokens>;

/** The session of an access token. */
export const Session = z
  .object({
    sessionId: z.string(),
    userId: z.string(),
    deviceId: z.string().nullable(),
    createdAt: instant,
    authenticatedAt: instant.describe('When the user last authenticated'),
    lastActivityAt: instant,
    expiresAt: instant,
    ip: z.string(),
    userAgent: z.string(),
    roles: z.array(z.string()),
  })
  .meta({ id: 'Session' });
export type Session = z.output<typeof Session>;

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

function isLocale(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}
