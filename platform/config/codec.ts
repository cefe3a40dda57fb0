import { integer, list, optionalSecret, text } from './schemas.ts';
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
    about: 'password of operators for the codec endpoint; may be empty only on loopback',
    roles: ['api'],
    schema: optionalSecret,
    default: '',
  },
} satisfies Record<string, Variable>;
