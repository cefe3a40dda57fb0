/** The schemas that several operations share. */
import { z } from 'zod';
import { preparePassword } from '../domain/passwords.ts';
import { cleanName, isPersonName } from '../domain/person-names.ts';
import { cleanText, readDigits } from '../domain/text.ts';
import { isUsername } from '../domain/usernames.ts';
import { channels } from '../domain/verification.ts';

/** Text without control characters, separators of lines or invisible code points (RFC 8265, UTS #39). */
export function text(lengthMax: number): z.ZodString {
  return z
    .string()
    .min(1, 'must not be empty')
    .max(lengthMax, `must be at most ${lengthMax} characters`)
    .regex(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]*$/u, 'must not contain control characters');
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

/** Text that people type or paste to be found by it, such as a number or an address; what nobody sees is removed. */
export function typedText(lengthMax: number): z.ZodString {
  return z
    .string()
    .overwrite(cleanText)
    .min(1, 'must not be empty')
    .max(lengthMax, `must be at most ${lengthMax} characters`)
    .regex(/^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]*$/u, 'must not contain control characters');
}

/** The name of a person. */
export const personName = z
  .string()
  .overwrite(cleanName)
  .min(1, 'must not be empty')
  .max(200, 'must be at most 200 characters')
  .refine(
    isPersonName,
    'must be a name: no control characters, direction marks, angle brackets or only invisible text',
  );

/** A user name that its user chooses. */
export const chosenUsername = text(64)
  .trim()
  .refine(
    isUsername,
    'must be letters and digits of one script and signs, with a letter, and must not look like an address, number or id',
  );

/**
 * A secret that is compared or hashed byte by byte: every character except NUL. A surrogate on its own is no character:
 * all of them would have the same bytes in UTF-8.
 */
export function secretText(lengthMin: number, lengthMax: number): z.ZodString {
  return secret(
    z
      .string()
      .min(lengthMin, `must be at least ${lengthMin} characters`)
      .max(lengthMax, `must be at most ${lengthMax} characters`)
      .regex(/^[^\0\p{Cs}]*$/u, 'must not contain NUL or half a character'),
  );
}

/** A password that is compared. */
export const typedPassword = secretText(1, 1024);

/**
 * A new password, prepared as it is hashed; the operation checks its strength. Control characters are refused, because
 * many keyboards cannot type them (RFC 8264 section 4.3).
 */
export const newPassword = secret(
  z
    .string()
    .overwrite(preparePassword)
    .min(8, 'must be at least 8 characters')
    .max(128, 'must be at most 128 characters')
    .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'must not contain control characters'),
);

/** A new PIN, without blanks and dashes; the operation checks its strength. */
export const pinText = secret(
  z
    .string()
    .overwrite(readDigits)
    .regex(/^\d{4,20}$/, 'must be 4 to 20 digits'),
);

/** A PIN that is compared, without blanks and dashes. */
export const typedPin = secret(
  z
    .string()
    .overwrite(readDigits)
    .regex(/^\d{1,20}$/, 'must be digits'),
);

/** A one-time code that is compared, without blanks and dashes. */
export const typedCode = secret(
  z
    .string()
    .overwrite(readDigits)
    .regex(/^\d{4,10}$/, 'must be 4 to 10 digits'),
);

/** The token of a message to an owner, as pasted or taken from its link. */
export const messageToken = secret(
  z
    .string()
    .overwrite(cleanText)
    .regex(/^[\w-]{43}$/, 'must be the token of the message'),
);

/** A BCP 47 language tag. */
export const localeTag = text(35).refine(isLocale, 'must be a BCP 47 language tag');

/** Number of items on a page of a list. */
export const pageLimit = z
  .string()
  .regex(/^([1-9][0-9]?|100)$/, 'must be 1 to 100')
  .transform(Number)
  .prefault('50');

/** The `nextCursor` of a page of the same list. */
export const pageCursor = z.string().regex(/^[\w-]{1,2000}\.[\w-]{43}$/, 'must be a `nextCursor` of this list');

/** How long an answer may wait for a change. */
export const waitSeconds = z
  .string()
  .regex(/^([0-9]|[12][0-9]|30)$/, 'must be 0 to 30')
  .transform(Number)
  .optional();

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
    phoneRefused: z
      .string()
      .optional()
      .describe('Why no code reaches the number: number-not-valid when no such number exists any more; change it'),
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
    device: z
      .object({ deviceId: z.string(), name: z.string() })
      .optional()
      .describe('The device of the session; absent if it has none'),
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
