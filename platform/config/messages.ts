import { z } from 'zod';
import { text } from './schemas.ts';
import type { Variable } from './variable.ts';

/** Variables of the texts of messages. */
export const messageVariables = {
  ANDROID_APP_HASH: {
    about:
      'app hash in the last line of an SMS, by which an Android app reads the code: 11 characters; no such line when empty',
    roles: ['delivery'],
    schema: z
      .string()
      .regex(/^([A-Za-z0-9+/]{11})?$/, 'must be 11 characters of base64')
      .transform((value) => (value === '' ? undefined : value)),
    default: '',
  },
  PRODUCT_NAME: {
    about: 'product name in messages',
    roles: ['delivery'],
    schema: text,
    default: 'Vyry',
  },
} satisfies Record<string, Variable>;
