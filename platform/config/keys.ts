import { z } from 'zod';
import { rolesWithTemporal } from './roles.ts';
import { key, list } from './schemas.ts';
import type { Variable } from './variable.ts';

/** Variables of the keys that encrypt and hash data. */
export const keyVariables = {
  PAYLOAD_KEY: {
    about: 'encrypts Temporal payloads and encrypted values in Redis: 32 bytes in base64',
    roles: rolesWithTemporal,
    schema: key,
    example: 'ZXhhbXBsZS1vbmx5LXBheWxvYWQta2V5LTMyLWJ5dGU=',
  },
  PAYLOAD_KEYS_OLD: {
    about: 'earlier payload keys that still decrypt, separated by commas; remove one when its workflows are gone',
    roles: rolesWithTemporal,
    schema: list.pipe(z.array(key)),
    default: '',
  },
  DATA_KEY: {
    about:
      'encrypts phone numbers and e-mail addresses at rest, keys their hashes and peppers passwords: 32 bytes in base64; must never change',
    roles: ['api', 'registration'],
    schema: key,
    example: 'ZXhhbXBsZS1vbmx5LWRhdGEta2V5LTMyLWJ5dGVzISE=',
  },
} satisfies Record<string, Variable>;
