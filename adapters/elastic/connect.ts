/**
 * The connection to Elasticsearch 8.19 or 9. Only this folder uses its client. The major version of the client must not
 * be newer than that of the server, so it stays at 8. Timeout: 10 s per call. When Elasticsearch is unavailable, calls
 * throw.
 */
import { Client } from '@elastic/elasticsearch';
import type { Secret } from '../../platform/config/secret.ts';
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

/**
 * Creates the client. It makes no request until it is used and does not retry: the caller knows which repeats are safe.
 */
export function connectElastic({ url, apiKey, ca, timeoutMs = callMs }: ElasticOptions): Elastic {
  const client = new Client({
    node: url,
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

const pingMs = 2000;

/** Requests the cluster health, which every distribution supports. @throws {Error} no response in time */
export async function pingElastic(elastic: Elastic, timeoutMs = pingMs): Promise<void> {
  await elastic.cluster.health({}, { requestTimeout: timeoutMs });
}
