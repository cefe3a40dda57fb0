/** The connection to Elasticsearch. Timeout: 2 s. Away: throws; nothing here is needed to register anybody. */
import { Client } from '@elastic/elasticsearch';

/** A way to ask whether Elasticsearch is there. */
export interface Elastic {
  /** @throws {Error} it does not answer */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Creates the client; nothing is asked until it is used. */
export function connectElastic(url: string): Elastic {
  const client = new Client({ node: url, requestTimeout: 2000, maxRetries: 0 });
  return {
    async ping() {
      await client.cluster.health();
    },
    close: () => client.close(),
  };
}
