import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runModule } from '../support/node-process.ts';

/** Connects the collector and prints the number of loaded files of OpenTelemetry packages. */
const program = (endpoint: string) => `
  import { connectCollector } from './adapters/collector.ts';
  import { createRequire } from 'node:module';
  const config = { NODE_ENV: 'development', OTEL_EXPORTER_OTLP_ENDPOINT: ${endpoint} };
  const collector = await connectCollector('api', config, undefined);
  collector.record({ name: 'a', kind: 'server', traceparent: '', beganAt: 0, attributes: {} });
  await collector[Symbol.asyncDispose]();
  const { cache } = createRequire(process.cwd() + '/');
  console.log(Object.keys(cache).filter((file) => file.includes('@opentelemetry')).length);
`;

describe('connectCollector()', () => {
  it('loads OpenTelemetry only when an endpoint is configured', async () => {
    const without = await runModule(program('undefined'));
    assert.equal(without.stdout, '0\n', without.stderr);
    const given = await runModule(program("'http://127.0.0.1:9'"));
    assert.ok(Number(given.stdout) > 10, given.stderr);
  });
});
