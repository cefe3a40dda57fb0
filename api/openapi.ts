/** The OpenAPI 3.1 document, generated from the schemas that parse the requests, and the page that shows it. */
import { z } from 'zod';
import { examples } from '../contract/examples.ts';
import { failures } from '../contract/failures.ts';
import { type Auth, asksStepUp, type Operation } from '../contract/operation.ts';
import type { Noun } from '../contract/operations.ts';
import { ErrorBody } from '../contract/schemas.ts';
import type { FailureCode } from '../domain/failures.ts';
import { version } from '../platform/config/version.ts';
import { exampleOf, type Schema } from './openapi-examples.ts';

const componentPath = '#/components/schemas/';

/** Returns the OpenAPI document of the operations of all nouns. https://spec.openapis.org/oas/v3.1.0.html */
export function openApiDocument(nouns: readonly Noun[]): unknown {
  const paths: Record<string, Record<string, unknown>> = {};
  const rows = nouns.flatMap(({ name, operations }) =>
    Object.entries(operations).map(([operationId, row]) => ({ operationId, row, tag: name })),
  );
  const all = rows.map(({ row }) => row.path);
  for (const { operationId, row, tag } of rows) {
    const path = sharedPath(row.path, all);
    const template = path.replace(/:(\w+)/g, '{$1}');
    paths[template] = { ...paths[template], [row.method]: { tags: [tag], operationId, ...describe({ ...row, path }) } };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Vyry',
      version,
      description: 'Durable registration, accounts and sessions. Times are ISO 8601 UTC, durations are seconds.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: nouns.map(({ name, about }) => ({ name, description: about })),
    paths,
    components: {
      schemas: namedSchemas(),
      securitySchemes,
    },
  };
}

/**
 * Returns the path of a row with `:id` for each parameter that another row with the same path names differently: templates
 * that differ in such names alone are identical (OpenAPI 3.1 section 4.8.8.2).
 */
function sharedPath(path: string, all: readonly string[]): string {
  const shapeOf = (one: string) => one.replace(/:\w+/g, ':');
  const same = all.filter((other) => shapeOf(other) === shapeOf(path)).map((other) => other.split('/'));
  const parts = path.split('/');
  return parts.map((part, index) => (same.every((other) => other[index] === part) ? part : ':id')).join('/');
}

/** The page of `/docs`: Swagger UI, without files of other servers. */
export const docsPage = {
  html: `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Vyry API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css"><link rel="icon" href="/docs/assets/favicon-32x32.png"></head>
<body><div id="page"></div><script src="/docs/assets/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>`,
  script: `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#page', deepLinking: true });`,
};

const headers = {
  'X-Request-Id': { schema: { type: 'string' }, description: 'The id of the request in the logs' },
  'RateLimit-Limit': { schema: { type: 'integer' }, description: 'Maximum of the limit with the fewest attempts left' },
  'RateLimit-Remaining': { schema: { type: 'integer' }, description: 'Attempts that are left' },
  'RateLimit-Reset': { schema: { type: 'integer' }, description: 'Seconds until one more attempt is possible' },
};

function describe(row: Operation): object {
  const refusals: FailureCode[] = [
    ...row.failures,
    ...authFailures[row.auth],
    ...(asksStepUp(row) ? stepUpFailures : []),
    ...(row.isBarredOnProbation ? probationFailures : []),
    ...(row.body ? bodyFailures : []),
  ];
  return {
    summary: row.summary,
    description: row.description,
    ...(securitySchemes[row.auth] !== undefined && { security: [{ [row.auth]: [] }] }),
    parameters: parametersOf(row),
    ...(row.body && {
      requestBody: {
        required: !row.body.safeParse(undefined).success,
        content: {
          [row.isForm ? 'application/x-www-form-urlencoded' : 'application/json']: {
            schema: schemaOf(row.body, 'input'),
            example: row.example ?? exampleFor(row.body, 'input'),
          },
        },
      },
    }),
    responses: {
      ...Object.fromEntries(
        Object.entries(row.answers).map(([status, schema]) => [status, answerOf(row, status, schema)]),
      ),
      ...Object.fromEntries(
        Object.entries(byStatus(refusals)).map(([status, problems]) => [status, problemAnswer(problems)]),
      ),
      405: problemAnswer([
        {
          errorCode: 'INVALID_REQUEST',
          message: 'the path does not answer the method; `Allow` lists those that it answers',
        },
      ]),
      431: { description: 'The URL and the headers are larger than 16 KiB; without a body' },
    },
  };
}

function answerOf(row: Operation, status: string, schema: z.ZodType | null): unknown {
  return {
    description: descriptions[status] ?? 'Done',
    headers,
    ...(schema && { content: { [row.answerType ?? 'application/json']: shapeOf(row, schema) } }),
  };
}

const descriptions: Record<string, string> = { 201: 'Created', 202: 'Accepted; processing continues' };

const bearer = { type: 'http', scheme: 'bearer' } as const;
const accessToken = { ...bearer, bearerFormat: 'JWT' } as const;
/** The kinds of authentication by a bearer token. */
const securitySchemes: Partial<Record<Auth, object>> = {
  registration: { ...bearer, description: 'The registrationToken of a registration' },
  session: { ...accessToken, description: 'An access token' },
  device: { ...accessToken, description: 'An access token of a session that belongs to a device' },
  link: { ...bearer, description: 'The linkToken of a device link or approval' },
  admin: { ...accessToken, description: 'An access token of a user with the role admin' },
  deletion: { ...bearer, description: 'The deletionToken of a deletion' },
};
const authFailures: Record<Auth, FailureCode[]> = {
  none: [],
  registration: ['unauthenticated', 'not-found'],
  session: ['unauthenticated', 'token-invalid'],
  device: ['unauthenticated', 'token-invalid', 'device-missing'],
  link: ['unauthenticated', 'not-found'],
  deletion: ['unauthenticated', 'not-found'],
  admin: ['unauthenticated', 'token-invalid', 'forbidden'],
  twilio: ['unauthenticated'],
  infobip: ['unauthenticated'],
};
const stepUpFailures: FailureCode[] = ['authentication-too-old'];
const probationFailures: FailureCode[] = ['device-on-probation'];
const bodyFailures: FailureCode[] = ['body-too-large', 'media-type-unsupported'];

function parametersOf(row: Operation): unknown[] {
  const inPath = [...row.path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
    example: examples[name ?? ''] ?? examples.userId,
  }));
  const inQuery = Object.entries(row.query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema: schemaOf(schema as z.ZodType, 'input'),
    ...(name in examples && { example: examples[name] }),
  }));
  const idempotencyKey = {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description: 'A random UUID: the same key and body get the same answer for 24 h',
    schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,128}$' },
  };
  return [...inPath, ...inQuery, ...(row.idempotent ? [idempotencyKey] : [])];
}

type Problem = Pick<(typeof failures)[FailureCode], 'errorCode' | 'message'>;

function byStatus(codes: FailureCode[]): Record<string, Problem[]> {
  const problems: Record<string, Problem[]> = {};
  for (const code of new Set(codes)) {
    const { status } = failures[code];
    problems[status] = [...(problems[status] ?? []), failures[code]];
  }
  return problems;
}

function problemAnswer(problems: Problem[]): unknown {
  const lines = new Set(problems.map(({ errorCode, message }) => `${errorCode}: ${message}`));
  const [{ errorCode, message } = { errorCode: '', message: '' }] = problems;
  const example = { error: message, error_code: errorCode, request_id: examples.request_id };
  return {
    description: [...lines].join('; '),
    headers,
    content: { 'application/json': { schema: schemaOf(ErrorBody, 'output'), example } },
  };
}

/** The schema of an answer with its example. */
function shapeOf({ answerType }: Operation, schema: z.ZodType): { schema: unknown; example: unknown } {
  return { schema: schemaOf(schema, 'output'), example: exampleFor(schema, 'output', answerType) };
}

function exampleFor(schema: z.ZodType, io: 'input' | 'output', name = ''): unknown {
  const { $defs = {}, ...root } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return exampleOf(root as Schema, (reference) => $defs[reference.split('/').at(-1) ?? ''] as Schema, name);
}

/** A reference for a schema with an id, otherwise the schema itself, with references to those with an id. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): unknown {
  const id = schema.meta()?.id;
  if (id !== undefined) return { $ref: `${componentPath}${id}` };
  const options = { io, unrepresentable: 'any', target: 'draft-2020-12', override: portably } as const;
  const { $schema: _, $defs: __, ...rest } = z.toJSONSchema(schema, options);
  return JSON.parse(JSON.stringify(rest).replaceAll('"#/$defs/', `"${componentPath}`));
}

/** The default-ignorable code points of the Basic Multilingual Plane (Unicode 17.0); the api refuses the others too. */
const ignorable =
  '\\u00ad\\u034f\\u061c\\u115f-\\u1160\\u17b4-\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufff8';

/**
 * Replaces what some regular expression engines do not support: Unicode classes and `\0`. Halves of surrogates are left
 * out: engines that match characters reject a range of them, and a text in UTF-8 has none (RFC 8259 section 8.2).
 */
function portably({ jsonSchema }: { jsonSchema: Patterned & { allOf?: unknown } }): void {
  // a text with several patterns has each in a part of its own
  for (const part of [jsonSchema, ...((jsonSchema.allOf ?? []) as Patterned[])]) {
    if (part.pattern === undefined) continue;
    part.pattern = part.pattern
      .replaceAll('\\p{Cc}', '\\u0000-\\u001f\\u007f-\\u009f')
      .replaceAll('\\p{Cs}', '')
      .replaceAll('\\p{Zl}\\p{Zp}', '\\u2028-\\u2029')
      .replaceAll('\\p{Default_Ignorable_Code_Point}', ignorable)
      .replaceAll('\\0', '\\u0000');
  }
}

interface Patterned {
  pattern?: string | undefined;
}

function namedSchemas(): Record<string, unknown> {
  const options = { uri: (id: string) => `${componentPath}${id}`, io: 'output', override: portably } as const;
  const { schemas } = z.toJSONSchema(z.globalRegistry, options);
  return Object.fromEntries(Object.entries(schemas).map(([id, { $schema: _, $id: __, ...rest }]) => [id, rest]));
}
