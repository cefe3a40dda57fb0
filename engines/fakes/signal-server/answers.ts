/** Requests and answers of the fake Signal-Server, in the forms that its clients expect. */
import type { z } from 'zod';
import { type Answer, type Call, json } from '../http-server.ts';

/** A request that is refused: its status, and its body if it has one. */
export class Refused extends Error {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Record<string, string>;

  constructor(status: number, { body, retryAfterSeconds }: { body?: unknown; retryAfterSeconds?: number } = {}) {
    super(String(status));
    this.status = status;
    this.body = body;
    this.headers = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
  }
}

/** Runs a request. Every answer has the time of the server. */
export async function answerTo(act: () => Answer | Promise<Answer>): Promise<Answer> {
  const answer = await Promise.resolve()
    .then(act)
    .catch((err: unknown): Answer => {
      if (!(err instanceof Refused)) throw err;
      if (err.body !== undefined) return json(err.status, err.body, err.headers);
      return { status: err.status, headers: err.headers, body: '' };
    });
  if (answer === 'drop') return answer;
  return { ...answer, headers: { ...answer.headers, 'x-signal-timestamp': String(Date.now()) } };
}

/**
 * Parses a body: unknown properties are ignored.
 *
 * @throws {Refused} 400: no JSON; 422: invalid
 */
export function readBody<T extends z.ZodType>({ body }: Call, schema: T): z.output<T> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new Refused(400);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Refused(422, {
    body: { errors: parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`) },
  });
}

/** User and password of a request. @throws {Refused} 401: malformed; `missing`, if there are none */
export function readCredentials({ headers }: Call, missing: number): { user: string; password: string } {
  if (headers.authorization === undefined) throw new Refused(missing);
  const encoded = /^Basic ([A-Za-z0-9+/]+=*)$/.exec(headers.authorization)?.[1];
  const [, user, password] = /^([^:]+):(.+)$/s.exec(Buffer.from(encoded ?? '', 'base64').toString()) ?? [];
  if (user === undefined || password === undefined) throw new Refused(401);
  return { user, password };
}
