/**
 * /health and /metrics of a worker, for orchestrators. Keep them on loopback and private networks; do not publish them.
 */
import { createServer } from 'node:http';
import type { Registry } from 'prom-client';
import { ambiguityIn, useOriginForm } from '../platform/http.ts';
import { collectProcessMetrics } from '../platform/process-metrics.ts';

interface Answer {
  status: number;
  type: string;
  text: string;
}

/** The methods of both paths. */
const methods = ['GET', 'HEAD'];

/** Serves the registry and the default process metrics until it is disposed. Serves nothing if the port is 0. */
export async function serveHealth(
  port: number,
  registry: Registry,
  isHealthy: () => boolean,
): Promise<AsyncDisposable> {
  if (port === 0) return { [Symbol.asyncDispose]: async () => undefined };
  collectProcessMetrics(registry);
  const answers: Record<string, () => Promise<Answer>> = {
    '/metrics': async () => ({ status: 200, type: registry.contentType, text: await registry.metrics() }),
    '/health': async () => ({
      status: isHealthy() ? 200 : 503,
      type: 'application/json',
      text: JSON.stringify({ status: isHealthy() ? 'ok' : 'down' }),
    }),
  };
  const server = createServer((req, res) => {
    useOriginForm(req);
    const answer = Object.hasOwn(answers, req.url ?? '') ? answers[req.url ?? ''] : undefined;
    if (ambiguityIn(req) !== undefined) return void res.writeHead(400).end();
    if (answer === undefined) return void res.writeHead(404).end();
    if (!methods.includes(req.method ?? '')) return void res.writeHead(405, { Allow: methods.join(', ') }).end();
    void answer().then(({ status, type, text }) => res.writeHead(status, { 'Content-Type': type }).end(text));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, resolve));
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
