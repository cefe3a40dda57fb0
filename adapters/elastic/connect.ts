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
}

const callMs = 10_000;

/** Creates the client; nothing is asked until it is used. Repeats are the caller's, who knows what is safe. */
export function connectElastic({ url, apiKey, ca }: ElasticOptions): Elastic {
  return new Client({
    node: url,
    requestTimeout: callMs,
    maxRetries: 0,
    ...(apiKey && { auth: { apiKey: apiKey.reveal() } }),
    ...(ca !== undefined && { tls: { ca } }),
  });
}

/** @throws {Error} it does not answer; asks for the health of the cluster, which every distribution answers */
export async function pingElastic(elastic: Elastic): Promise<void> {
  await elastic.cluster.health({}, { requestTimeout: 2000 });
}
