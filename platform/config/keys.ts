import { z } from 'zod';
import { parseKeyRing, purposesOf } from '../keyring.ts';
import { type Role, roles } from './roles.ts';
import { key, list, optionalKey, parsed } from './schemas.ts';
import type { Variable } from './variable.ts';

/** Variables of the keys that encrypt, authenticate and hash data. */
export const keyVariables = {
  KEYS: {
    about:
      'the keys of the role, one for each purpose, as `vyry keys roles` derives them from PAYLOAD_KEY, DATA_KEY and AUDIT_KEY; workers/run.ts derives them where those are given, and does not pass those on',
    roles,
    schema: parsed(parseKeyRing),
    problemFor: (role, value) => differenceOf(role, (value as ReturnType<typeof parseKeyRing>).purposes),
  },
  PAYLOAD_KEY: {
    about: 'root of the keys of Temporal payloads, sessions, and encrypted values in Redis: 32 bytes in base64',
    roles: [],
    schema: key,
    example: 'ZXhhbXBsZS1vbmx5LXBheWxvYWQta2V5LTMyLWJ5dGU=',
  },
  PAYLOAD_KEYS_OLD: {
    about:
      'earlier payload keys that still decrypt and verify, separated by commas (docs/operate.md, Rotation of keys)',
    roles: [],
    schema: list.pipe(z.array(key)),
    default: '',
  },
  PAYLOAD_KEY_NEXT: {
    about: 'the next payload key, which already decrypts and verifies',
    roles: [],
    schema: optionalKey,
    default: '',
  },
  DATA_KEY: {
    about:
      'root of the keys that encrypt phone numbers and e-mail addresses at rest, hash them and pepper passwords: 32 bytes in base64',
    roles: [],
    schema: key,
    example: 'ZXhhbXBsZS1vbmx5LWRhdGEta2V5LTMyLWJ5dGVzISE=',
  },
  DATA_KEYS_OLD: {
    about:
      'earlier data keys that still decrypt, are looked up and verify, separated by commas (docs/operate.md, Rotation of keys)',
    roles: [],
    schema: list.pipe(z.array(key)),
    default: '',
  },
  DATA_KEY_NEXT: {
    about: 'the next data key, which already decrypts, is looked up and verifies',
    roles: [],
    schema: optionalKey,
    default: '',
  },
} satisfies Record<string, Variable>;

/** A role has the keys of its purposes and no others. */
function differenceOf(role: Role, purposes: readonly string[]): string | undefined {
  const wanted = purposesOf(role);
  const missing = wanted.filter((purpose) => !purposes.includes(purpose));
  const besides = purposes.filter((purpose) => !wanted.includes(purpose));
  if (missing.length > 0) return `lacks keys of ${role}: ${missing.join(', ')}`;
  return besides.length > 0 ? `has keys that ${role} must not have: ${besides.join(', ')}` : undefined;
}
