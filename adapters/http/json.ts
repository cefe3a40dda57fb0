/**
 * One call of a provider's HTTP API: JSON there and back, an end after 10 s or the given time, no retries. What went wrong on the way is a
 * `Failure` `unavailable` that says nothing of the message.
 */
import { connectionReason, Failure, statusReason } from '../../domain/failures.ts';

const callMs = 10_000;

/** What a provider answered; `body` is undefined when it is no JSON. */
export interface HttpAnswer {
  status: number;
  headers: Headers;
  body: unknown;
}

export interface HttpCall {
  /** Named in failures. */
  provider: string;
  method: 'GET' | 'POST';
  url: string;
  headers: Record<string, string>;
  body?: unknown;
  /** Longest wait for the whole answer; ten seconds without it. */
  timeoutMs?: number | undefined;
}

/** @throws {Failure} unavailable: no whole answer */
export async function callJson({
  provider,
  method,
  url,
  headers,
  body,
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
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await res.text();
    return { status: res.status, headers: res.headers, body: parsed(text) };
  } catch (err) {
    const { name, cause } = err as { name?: string; cause?: { code?: string } };
    // of a connection that ends in the middle, fetch names no code
    const code =
      name === 'TimeoutError' ? 'ETIMEDOUT' : (cause?.code ?? 'ECONNRESET').replace('UND_ERR_SOCKET', 'ECONNRESET');
    throw new Failure('unavailable', { message: `${provider} ${code}`, reason: connectionReason(code) });
  }
}

/** An answer that may be another one later: outages, limits, and settings of ours that an operator mends. */
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
