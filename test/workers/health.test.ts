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

  it('F26 answers its two paths in one spelling, and GET and HEAD only; F27 no ambiguous request', async () => {
    const port = await freePort();
    await using _health = await serveHealth(port, new Registry(), () => true);
    const exchange = async (line: string, host = `Host: 127.0.0.1:${port}\r\n`) => {
      const socket = connect(port, '127.0.0.1').setEncoding('utf8');
      const received = socket.toArray();
      socket.write(`${line} HTTP/1.1\r\n${host}Connection: close\r\n\r\n`);
      return (await received).join('');
    };
    for (const path of ['/METRICS', '/metrics/', '/Health', '/health/', '//health', '/%68ealth', '/toString']) {
      assert.match(await exchange(`GET ${path}`), /^HTTP\/1\.1 404 /, path);
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'TRACE', 'OPTIONS']) {
      assert.match(await exchange(`${method} /health`), /^HTTP\/1\.1 405 .*\r\nAllow: GET, HEAD\r\n/, method);
    }
    assert.match(await exchange('HEAD /health'), /^HTTP\/1\.1 200 [^{]*\r\n\r\n$/);
    assert.match(await exchange('GET http://evil.example/health'), /^HTTP\/1\.1 400 /);
    assert.match(await exchange('GET /health', 'Host: a\r\nHost: b\r\n'), /^HTTP\/1\.1 400 /);
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
