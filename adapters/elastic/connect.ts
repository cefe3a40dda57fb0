/**
 * The connection to Elasticsearch 8.19 or 9. Only this folder uses its client. The major version of the client must not
 * be newer than that of the server, so it stays at 8. Timeout: 10 s per call. When Elasticsearch is unavailable, calls
 * throw; `notedOutage` tells such errors from refusals.
 */
import {
  Client,
  errors,
  Transport,
  type TransportRequestOptions,
  type TransportRequestParams,
} from '@elastic/elasticsearch';
import { callTime } from '../../platform/budget.ts';
import type { Secret } from '../../platform/config/secret.ts';
import { noteOutage } from '../../platform/outages.ts';
import { createTlsContext } from '../../platform/tls.ts';

/** The Elasticsearch client. */
export type Elastic = Client;

/** The options of `connectElastic`. */
export interface ElasticOptions {
  url: string;
  /** `id:key` in base64: the `encoded` form of Elasticsearch. */
  apiKey?: Secret | undefined;
  /** CA certificates as PEM; default those of Node and of the system. */
  ca?: Secret | undefined;
  /** Timeout of a request; default 10 s. */
  timeoutMs?: number;
}

const callMs = 10_000;

/** Notes the outages among the errors of its calls, each of which ends with the budget of its request. */
class WatchedTransport extends Transport {
  // the types of the base class have an overload for each kind of answer
  override request = (async (params: TransportRequestParams, options: TransportRequestOptions = {}) => {
    const usualMs = Number(options.requestTimeout ?? callMs);
    const requestTimeout = callTime(usualMs);
    const within = requestTimeout < usualMs ? { ...options, requestTimeout } : options;
    try {
      return await Transport.prototype.request.call(this, params, within);
    } catch (err) {
      const reason = reasonOf(err);
      throw reason === undefined ? err : noteOutage(err, { dependency: 'elasticsearch', reason });
    }
  }) as Transport['request'];
}

/**
 * Creates the client. It makes no request until it is used and does not retry: the caller knows which repeats are safe.
 */
export function connectElastic({ url, apiKey, ca, timeoutMs = callMs }: ElasticOptions): Elastic {
  const client = new Client({
    node: url,
    Transport: WatchedTransport,
    requestTimeout: timeoutMs,
    maxRetries: 0,
    ...(url.startsWith('https:') && { tls: { secureContext: createTlsContext({ ca }) } }),
  });
  return apiKey === undefined ? client : identify(client, apiKey);
}

/** Gives each request the API key as it is then; the option `auth` of the client would keep the first. */
function identify(client: Elastic, apiKey: Secret): Elastic {
  const { transport } = client;
  const request = transport.request.bind(transport) as (params: unknown, options?: RequestOptions) => Promise<unknown>;
  transport.request = ((params: unknown, options: RequestOptions = {}) => {
    const headers = { ...options.headers, authorization: `ApiKey ${apiKey.reveal()}` };
    return request(params, { ...options, headers });
  }) as typeof transport.request;
  return client;
}

interface RequestOptions {
  headers?: Record<string, unknown>;
}

/** Why Elasticsearch does not work; undefined for an error that is about the request. */
function reasonOf(err: unknown): string | undefined {
  if (err instanceof errors.TimeoutError) return 'timeout';
  if (err instanceof errors.ResponseError) {
    const { type = '' } = (err.body as { error?: { type?: string } } | undefined)?.error ?? {};
    return refusalReason(err.statusCode ?? 0, type);
  }
  return err instanceof errors.ConnectionError || err instanceof errors.NoLivingConnectionsError
    ? 'no-answer'
    : undefined;
}

/**
 * Returns why Elasticsearch refuses a correct request or item, by status and type of its answer: an index that is blocked
 * because the disk is nearly full, or closed, or too many requests; undefined if the request is wrong.
 * https://www.elastic.co/docs/troubleshoot/elasticsearch/fix-watermark-errors,
 * https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk
 */
export function refusalReason(status: number, type: string): string | undefined {
  if (type === 'cluster_block_exception') return 'blocked';
  if (type === 'index_closed_exception') return 'index-closed';
  if (status === 429) return 'overloaded';
  if (status === 401 || status === 403) return 'credentials-refused';
  return status >= 500 ? `answers-${status}` : undefined;
}

const pingMs = 2000;

/** Requests the cluster health, which every distribution supports. @throws {Error} no response in time */
export async function pingElastic(elastic: Elastic, timeoutMs = pingMs): Promise<void> {
  await elastic.cluster.health({}, { requestTimeout: timeoutMs });
}
