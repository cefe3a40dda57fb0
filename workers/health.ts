/**
 * /health and /metrics of a worker, for orchestrators. Keep them on loopback and private networks; do not publish them.
 */
import { createServer } from 'node:http';
import { collectDefaultMetrics, type Registry } from 'prom-client';

/** Serves the registry and the default process metrics until it is disposed. Serves nothing if the port is 0. */
export async function serveHealth(
  port: number,
  registry: Registry,
  isHealthy: () => boolean,
): Promise<AsyncDisposable> {
  if (port === 0) return { [Symbol.asyncDispose]: async () => undefined };
  collectDefaultMetrics({ register: registry });
  // the Node version in the metrics would help an attacker
  registry.removeSingleMetric('nodejs_version_info');
  const server = createServer((req, res) => {
    if (req.url === '/metrics') {
      void registry.metrics().then((text) => res.setHeader('Content-Type', registry.contentType).end(text));
    } else if (req.url === '/health') {
      res.statusCode = isHealthy() ? 200 : 503;
      res.setHeader('Content-Type', 'application/json').end(JSON.stringify({ status: isHealthy() ? 'ok' : 'down' }));
    } else {
      res.statusCode = 404;
      res.end();
    }
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, resolve));
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
