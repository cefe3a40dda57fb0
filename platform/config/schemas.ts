/** The schemas that several variables use. Each parses the text of an environment variable. */
import { z } from 'zod';
import { FileSecret, fileMark, Secret } from './secret.ts';

/** A whole number within bounds. */
export const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));

/** A text that is not empty. */
export const text = z.string().min(1);

/** A text, or undefined when empty. */
export const optional = z.string().transform((value) => (value === '' ? undefined : value));

/** `true` or `false`. */
export const flag = z.enum(['true', 'false'], 'must be true or false').transform((value) => value === 'true');

/** Texts separated by commas or white space. */
export const list = z.string().transform((value) => value.split(/[\s,]+/).filter((item) => item !== ''));

/** Names with their URLs, as `Outbox=http://…,Temporal=http://…`; an underscore in a name stands for a blank. */
export const links = list.transform((items, check) =>
  items.map((item) => {
    const [, name = '', url = ''] = /^(\w+)=(.+)$/.exec(item) ?? [];
    if (!hasProtocol(url, ['http:', 'https:'])) check.addIssue('must be names with URLs, such as Outbox=http://…');
    return { name: name.replaceAll('_', ' '), url };
  }),
);

/** Parses a text with a function of the domain. The message of its `RangeError` becomes the problem. */
export const parsed = <T>(read: (value: string) => T) =>
  z.string().transform((value, check): T => {
    try {
      return read(value);
    } catch (err) {
      check.addIssue((err as Error).message);
      return z.NEVER;
    }
  });

/** A list of whole numbers from 1 to 86,400. */
export const integers = list.pipe(z.array(integer(1, 86_400)));

/** A URL with one of the protocols. */
export const url = (...protocols: string[]) =>
  z.string().refine((value) => hasProtocol(value, protocols), `must be a URL (${protocols.join(', ')})`);

/** A URL with one of the protocols, or undefined when empty. */
export const optionalUrl = (...protocols: string[]) =>
  z
    .string()
    .refine((value) => value === '' || hasProtocol(value, protocols), `must be a URL (${protocols.join(', ')})`)
    .transform((value) => (value === '' ? undefined : value));

/** A secret of a minimum length. */
export const secret = (lengthMin: number) =>
  z
    .string()
    .min(lengthMin, `must be at least ${lengthMin} characters`)
    .transform((value) => new Secret(value));

/** A bearer token or HMAC secret: at least 32 characters. */
export const bearer = secret(32);

/** A secret, or undefined when empty. */
export const optionalSecret = z.string().transform((value) => (value === '' ? undefined : new Secret(value)));

/**
 * A text that is read again when its file changes, or undefined when empty. The variable needs `isRenewed`.
 *
 * @param form what the text must match
 */
const renewedText = (form: RegExp, problem: string) =>
  z.string().transform((value, check): Secret | undefined => {
    if (value === '') return undefined;
    try {
      const secret = value.startsWith(fileMark) ? new FileSecret(value.slice(fileMark.length)) : new Secret(value);
      if (form.test(secret.reveal())) return secret;
      check.addIssue(problem);
    } catch (err) {
      check.addIssue(`names a file that cannot be read: ${(err as NodeJS.ErrnoException).code}`);
    }
    return z.NEVER;
  });

/** Certificates or a key as PEM (RFC 7468), read again when the file changes; undefined when empty. */
export const pem = renewedText(/-----BEGIN [A-Z0-9 ]+-----/, 'must be PEM, which begins with -----BEGIN');

/** A token or key of an API, read again when the file changes; undefined when empty. */
export const apiKey = renewedText(/^\S+$/, 'must be one word');

/** `host:port` pairs, separated by commas; undefined when empty. */
export const places = list.transform((items, check): Place[] | undefined => {
  if (items.length === 0) return undefined;
  return items.map((item) => {
    const { hostname = '', port = '' } = URL.canParse(`redis://${item}`) ? new URL(`redis://${item}`) : {};
    if (hostname === '' || port === '' || item.includes('@')) check.addIssue('must be host:port, separated by commas');
    return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
  });
});

/** Where a server listens. */
interface Place {
  host: string;
  port: number;
}

/** A secret of a minimum length, or undefined when empty. */
export const optionalSecretOf = (lengthMin: number) =>
  z.union([z.literal('').transform(() => undefined), secret(lengthMin)], `must be at least ${lengthMin} characters`);

/** A key of 32 bytes in base64. */
export const key = z
  .string()
  .refine((value) => Buffer.from(value, 'base64').length === 32, 'must be 32 bytes in base64')
  .transform((value) => new Secret(value));

/** A key of 32 bytes in base64, or undefined when empty. */
export const optionalKey = z.union([z.literal('').transform(() => undefined), key], 'must be 32 bytes in base64');

/** Returns whether a text is a URL with one of the protocols. */
export function hasProtocol(value: string, protocols: string[]): boolean {
  return URL.canParse(value) && protocols.includes(new URL(value).protocol);
}
