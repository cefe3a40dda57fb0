/** The OpenAPI 3.1 document, made of the schemas that parse the requests, and the page that shows it. */
import { z } from 'zod';
import type { FailureCode } from '../domain/failures.ts';
import { problems } from './problems.ts';
import type { Route } from './route.ts';
import { ErrorBody } from './schemas.ts';

const componentPath = '#/components/schemas/';

/** https://spec.openapis.org/oas/v3.1.0.html */
export function openApiDocument(routes: readonly Route[]): unknown {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operationOf(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Vyry',
      version: '1',
      description: 'Durable registration, accounts and sessions. Times are ISO 8601 UTC, durations are seconds.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: namedSchemas(),
      securitySchemes: {
        registration: { type: 'http', scheme: 'bearer', description: 'The registrationToken of a registration' },
        session: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'An access token' },
        admin: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description: 'An access token of a person with the role admin',
        },
        deletion: { type: 'http', scheme: 'bearer', description: 'The deletionToken of a deletion' },
      },
    },
  };
}

/** The page of `/docs`: Swagger UI, served from here alone. */
export const docsPage = {
  html: `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Vyry API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css"><link rel="icon" href="/docs/assets/favicon-32x32.png"></head>
<body><div id="page"></div><script src="/docs/assets/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>`,
  script: `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#page', deepLinking: true });`,
};

const headers = {
  'X-Request-Id': { schema: { type: 'string' }, description: 'Names this request in the logs' },
  'RateLimit-Limit': { schema: { type: 'integer' }, description: 'Of the limit that is nearest to refusing' },
  'RateLimit-Remaining': { schema: { type: 'integer' }, description: 'Tries that it has left' },
  'RateLimit-Reset': { schema: { type: 'integer' }, description: 'Seconds until it has one more' },
};

function operationOf(route: Route): unknown {
  const failures: FailureCode[] = [
    ...route.failures,
    ...guardFailures[route.guard],
    ...(route.stepUp ? stepUpFailures : []),
    ...(route.body ? bodyFailures : []),
  ];
  return {
    summary: route.summary,
    ...(route.guard !== 'none' && { security: [{ [route.guard]: [] }] }),
    parameters: parametersOf(route),
    ...(route.body && {
      requestBody: {
        required: !route.body.safeParse(undefined).success,
        content: {
          [route.isForm ? 'application/x-www-form-urlencoded' : 'application/json']: {
            schema: schemaOf(route.body, 'input'),
          },
        },
      },
    }),
    responses: {
      [route.status]: {
        description: 'Done',
        headers,
        ...(route.answer && {
          content: { [route.answerType ?? 'application/json']: { schema: schemaOf(route.answer, 'output') } },
        }),
      },
      ...(route.other && {
        [route.other.status]: {
          description: route.other.status === 202 ? 'Begun' : 'Done at once',
          headers,
          content: { 'application/json': { schema: schemaOf(route.other.answer, 'output') } },
        },
      }),
      ...Object.fromEntries(Object.entries(byStatus(failures)).map(([status, text]) => [status, problemAnswer(text)])),
      431: { description: 'The URL and the headers are larger than 16 KiB; without a body' },
    },
  };
}

const guardFailures: Record<Route['guard'], FailureCode[]> = {
  none: [],
  registration: ['unauthenticated', 'not-found'],
  session: ['unauthenticated', 'token-invalid'],
  deletion: ['unauthenticated', 'not-found'],
  admin: ['unauthenticated', 'token-invalid', 'forbidden'],
};
const stepUpFailures: FailureCode[] = ['authentication-too-old'];
const bodyFailures: FailureCode[] = ['body-too-large', 'media-type-unsupported'];

function parametersOf(route: Route): unknown[] {
  const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const inQuery = Object.entries(route.query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema: schemaOf(schema as z.ZodType, 'input'),
  }));
  const idempotencyKey = {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description: 'A random UUID: the same key and body have the same answer for 24 h',
    schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,128}$' },
  };
  return [...inPath, ...inQuery, ...(route.isIdempotent ? [idempotencyKey] : [])];
}

function byStatus(failures: FailureCode[]): Record<string, string> {
  const texts: Record<string, Set<string>> = {};
  for (const code of failures) {
    const { status, errorCode, message } = problems[code];
    texts[status] = (texts[status] ?? new Set()).add(`${errorCode}: ${message}`);
  }
  return Object.fromEntries(Object.entries(texts).map(([status, lines]) => [status, [...lines].join('; ')]));
}

function problemAnswer(description: string): unknown {
  return { description, headers, content: { 'application/json': { schema: schemaOf(ErrorBody, 'output') } } };
}

/** A schema with an id by its name, any other in full. Those in full hold none with an id. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): unknown {
  const id = schema.meta()?.id;
  if (id !== undefined) return { $ref: `${componentPath}${id}` };
  const options = { io, unrepresentable: 'any', target: 'draft-2020-12', override: portably } as const;
  const { $schema: _, ...rest } = z.toJSONSchema(schema, options);
  return rest;
}

/** Patterns without what only some engines of regular expressions know: classes of Unicode, and `\0`. */
function portably({ jsonSchema }: { jsonSchema: { pattern?: string | undefined } }): void {
  if (jsonSchema.pattern === undefined) return;
  jsonSchema.pattern = jsonSchema.pattern
    .replaceAll('\\p{Cc}', '\\u0000-\\u001f\\u007f-\\u009f')
    .replaceAll('\\p{Cs}', '\\ud800-\\udfff')
    .replaceAll('\\0', '\\u0000');
}

function namedSchemas(): Record<string, unknown> {
  const options = { uri: (id: string) => `${componentPath}${id}`, io: 'output', override: portably } as const;
  const { schemas } = z.toJSONSchema(z.globalRegistry, options);
  return Object.fromEntries(Object.entries(schemas).map(([id, { $schema: _, $id: __, ...rest }]) => [id, rest]));
}
