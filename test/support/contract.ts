/** Validates the responses of an api against the OpenAPI document that it serves. */
import assert from 'node:assert/strict';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { onAnswer } from './client.ts';

interface Operation {
  responses: Record<string, { content?: Record<string, unknown> }>;
}

/** The part of an OpenAPI document that responses are validated against. */
export interface OpenApiDocument {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
}

/**
 * Checks every response of an api from now on. A response that the document does not define fails the call that got it.
 */
export async function holdToContract(url: string): Promise<OpenApiDocument> {
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as OpenApiDocument;
  const schemas = new Ajv2020({ strict: false, allErrors: true });
  formats.default(schemas);
  schemas.addSchema(document, 'openapi.json');
  const validators = new Map<string, ValidateFunction>();
  const validatorOf = (pointer: string) => {
    const known = validators.get(pointer) ?? schemas.compile({ $ref: `openapi.json#${encodeURI(pointer)}` });
    validators.set(pointer, known);
    return known;
  };
  onAnswer(({ url: asked, method, path }, { status, headers, body }) => {
    if (asked !== url) return;
    const what = `${method} ${path}: ${status}`;
    assert.ok(headers.get('x-request-id'), `${what} without X-Request-Id`);
    const template = templateOf(document, path.split('?')[0] ?? path);
    const operation = template === undefined ? undefined : document.paths[template]?.[method.toLowerCase()];
    const validate =
      operation === undefined || template === undefined
        ? validatorOf('/components/schemas/Error')
        : promised(operation, { template, method, status, what, validatorOf });
    if (validate === undefined) return assert.equal(body, undefined, `${what} must have no body`);
    assert.match(headers.get('content-type') ?? '', /^application\/json; charset=utf-8$/, what);
    assert.ok(validate(body), `${what}: ${schemas.errorsText(validate.errors)}`);
  });
  return document;
}

interface Asked {
  template: string;
  method: string;
  status: number;
  what: string;
  validatorOf: (pointer: string) => ValidateFunction;
}

function promised(operation: Operation, asked: Asked): ValidateFunction | undefined {
  const { template, method, status, what, validatorOf } = asked;
  const response = operation.responses[status];
  assert.ok(response, `${what} is not in the document`);
  if (response.content === undefined) return undefined;
  const pointer = ['paths', template, method.toLowerCase(), 'responses', String(status), 'content', 'application/json'];
  return validatorOf(`/${[...pointer, 'schema'].map(escaped).join('/')}`);
}

function templateOf(document: OpenApiDocument, path: string): string | undefined {
  // OpenAPI 3.1 section 4.8.8.2: a concrete path is matched before a templated one
  if (path in document.paths) return path;
  return Object.keys(document.paths).find((template) =>
    new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`).test(path),
  );
}

/** Escapes a JSON pointer token (RFC 6901 section 3). */
function escaped(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}
