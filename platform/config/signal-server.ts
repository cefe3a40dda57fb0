import { integer, optional, url } from './schemas.ts';
import type { Variable } from './variable.ts';

/** Variables of the Signal-Server at which the step `signal` registers people. */
export const signalServerVariables = {
  SIGNAL_SERVER_URL: {
    about: 'REST API of the Signal-Server at which the step signal registers people, without a path',
    roles: ['signal'],
    schema: url('http:', 'https:').transform((value) => value.replace(/\/+$/, '')),
    example: 'http://127.0.0.1:8025',
  },
  SIGNAL_SERVER_CA: {
    about: 'CA certificate of the Signal-Server, as PEM, beside the CAs of the system',
    roles: ['signal'],
    schema: optional,
    default: '',
  },
  SIGNAL_SERVER_TIMEOUT: {
    about: 'timeout of a request to the Signal-Server, in milliseconds',
    roles: ['signal'],
    schema: integer(100, 60_000),
    default: '20000',
  },
} satisfies Record<string, Variable>;
