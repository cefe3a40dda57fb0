/**
 * The connection to Elasticsearch 8.19 or 9, the only place its client is known beside the other files of this folder.
 * The client's major version must not be newer than the server's, so it stays at 8. Timeout: 10 s a call. Away: throws.
 */
import { Client } from '@elastic/elasticsearch';
import type { Secret } from '../../platform/config.ts';

export type Elastic = Client;

export interface ElasticOptions {
  url: string;
  /** `id:key` in base64, as Elasticsearch prints it encoded. */
  apiKey?: Secret | undefined;
  /** Certificate authority as PEM; the system's when absent. */
  ca?: string | undefined;
  /** Longest wait for an answer; ten seconds without it. */
  timeoutMs?: number;
}

const callMs = 10_000;

/** Creates the client; nothing is asked until it is used. Repeats are the caller's, who knows what is safe. */
export function connectElastic({ url, apiKey, ca, timeoutMs = callMs }: ElasticOptions): Elastic {
  return new Client({
    node: url,
    requestTimeout: timeoutMs,
    maxRetries: 0,
    ...(apiKey && { auth: { apiKey: apiKey.reveal() } }),
    ...(ca !== undefined && { tls: { ca } }),
  });
}

const pingMs = 2000;

/** @throws {Error} it does not answer in time; asks for the health of the cluster, which every distribution answers */
export async function pingElastic(elastic: Elastic, timeoutMs = pingMs): Promise<void> {
  await elastic.cluster.health({}, { requestTimeout: timeoutMs });
}
