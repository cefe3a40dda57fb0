import { integer, list, optionalSecretOf, text } from './schemas.ts';
import type { Variable } from './variable.ts';

/** Variables of the codec endpoint for the Temporal Web UI. */
export const codecVariables = {
  CODEC_HOST: {
    about: 'address of the codec endpoint for the Temporal Web UI; any address but loopback needs CODEC_PASSWORD',
    roles: ['api'],
    schema: text,
    default: '127.0.0.1',
  },
  CODEC_PORT: { about: 'port of the codec endpoint', roles: ['api'], schema: integer(0, 65_535), default: '8081' },
  CODEC_ORIGINS: {
    about: 'origins of the Temporal Web UI that may call the codec endpoint, separated by commas',
    roles: ['api'],
    schema: list,
    default: 'http://127.0.0.1:8233,http://localhost:8233',
  },
  CODEC_PASSWORD: {
    about: 'password of operators for the codec endpoint, at least 15 characters; may be empty only on loopback',
    roles: ['api'],
    // NIST SP 800-63B-4 section 3.1.1.2: a password that is the only factor has at least 15 characters
    schema: optionalSecretOf(15),
    default: '',
  },
} satisfies Record<string, Variable>;
