/**
 * One request to the HTTP API of a provider: JSON, or a form, with an answer in JSON, a timeout of 10 s by default, no retries. Network
 * errors become a `Failure` `unavailable` that contains nothing of the message.
 */
import { connectionReason, Failure, statusReason } from '../../domain/failures.ts';

const callMs = 10_000;

/** The response of a provider; `body` is undefined if it is not JSON. */
export interface HttpAnswer {
  status: number;
  headers: Headers;
  body: unknown;
}

/** A request to a provider. */
export interface HttpCall {
  /** Name of the provider, used in failures. */
  provider: string;
  method: 'GET' | 'HEAD' | 'POST' | 'PUT';
  url: string;
  headers: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as application/x-www-form-urlencoded, in place of a body. */
  form?: URLSearchParams;
  /** Timeout for the whole response; default 10 s. */
  timeoutMs?: number | undefined;
}

/** Makes a request. @throws {Failure} unavailable: no complete response */
export async function callJson({
  provider,
  method,
  url,
  headers,
  body,
  form,
  timeoutMs = callMs,
}: HttpCall): Promise<HttpAnswer> {
  try {
    const res = await fetch(url, {
      method,
      headers: {
        Accept: 'application/json',
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(form !== undefined && { body: form }),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await res.text();
    return { status: res.status, headers: res.headers, body: parsed(text) };
  } catch (err) {
    const { name, cause } = err as { name?: string; cause?: { code?: string } };
    // fetch has no error code for a connection that ends in the middle of a response
    const code =
      name === 'TimeoutError' ? 'ETIMEDOUT' : (cause?.code ?? 'ECONNRESET').replace('UND_ERR_SOCKET', 'ECONNRESET');
    throw new Failure('unavailable', { message: `${provider} ${code}`, reason: connectionReason(code) });
  }
}

/** Returns the failure of a temporary error response: outages, limits, and configuration that an operator can fix. */
export function outageOf(provider: string, { status }: HttpAnswer, detail = ''): Failure {
  return new Failure('unavailable', {
    message: `${provider} ${status} ${detail}`.trim(),
    reason: statusReason(status),
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
