import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';
import { Counter, Registry } from 'prom-client';
import { freePort } from '../../engines/ports.ts';
import { serveHealth } from '../../workers/health.ts';

describe('serveHealth()', () => {
  it('serves the health and the metrics of the worker, and nothing else', async () => {
    const port = await freePort();
    const registry = new Registry();
    new Counter({ name: 'vyry_things_total', help: 'Things', registers: [registry] }).inc(3);
    let isHealthy = true;
    await using _health = await serveHealth(port, registry, () => isHealthy);
    const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
    const well = await get('/health');
    assert.deepEqual([well.status, await well.json()], [200, { status: 'ok' }]);
    isHealthy = false;
    const ill = await get('/health');
    assert.deepEqual([ill.status, await ill.json()], [503, { status: 'down' }]);
    assert.match(await (await get('/metrics')).text(), /^vyry_things_total 3$/m);
    for (const path of ['/', '/health/..', '/metrics?x=1', '/.env']) assert.equal((await get(path)).status, 404, path);
  });

  it('closes without waiting for an idle connection', async () => {
    const port = await freePort();
    const health = await serveHealth(port, new Registry(), () => true);
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    await new Promise((resolve) => socket.once('connect', resolve));
    await health[Symbol.asyncDispose]();
    await assert.rejects(fetch(`http://127.0.0.1:${port}/health`));
  });

  it('opens no port when none is configured', async () => {
    const health = await serveHealth(0, new Registry(), () => true);
    await health[Symbol.asyncDispose]();
  });

  it('throws when its port is in use', async () => {
    const port = await freePort();
    await using _health = await serveHealth(port, new Registry(), () => true);
    await assert.rejects(
      serveHealth(port, new Registry(), () => true),
      /EADDRINUSE/,
    );
  });
});
