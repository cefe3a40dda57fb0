import { z } from 'zod';
import { rolesWithTemporal } from './roles.ts';
import { optionalUrl } from './schemas.ts';
import { Secret } from './secret.ts';
import type { Variable } from './variable.ts';

/** The format of the standard variable: https://opentelemetry.io/docs/specs/otel/protocol/exporter/ */
const headerPairs = z
  .string()
  .refine(
    (value) =>
      value === '' || value.split(',').every((pair) => /^\s*[\w.-]+=([^%\s,]|%[0-9a-fA-F]{2})+\s*$/.test(pair)),
    'must be name=value pairs, separated by commas, values percent-encoded',
  )
  .transform((value) => (value === '' ? undefined : new Secret(value)));

const share = z
  .string()
  .regex(/^(0|1|[01]?\.\d+)$/, 'must be a number from 0 to 1')
  .transform(Number)
  .pipe(z.number().max(1, 'must be at most 1'));

/** Variables of traces. */
export const traceVariables = {
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    about: 'OTLP/HTTP endpoint for traces, without /v1/traces; no traces when empty',
    roles: rolesWithTemporal,
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  OTEL_EXPORTER_OTLP_HEADERS: {
    about:
      'headers for the OTLP endpoint, such as its token: name=value pairs, separated by commas, values percent-encoded',
    roles: rolesWithTemporal,
    schema: headerPairs,
    default: '',
  },
  OTEL_TRACES_SAMPLER_ARG: {
    about: 'share of requests that are traced, from 0 to 1; the traceparent of a request takes precedence',
    roles: ['api', 'gateway'],
    schema: share,
    default: '1',
  },
} satisfies Record<string, Variable>;
