import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { linesOf, runModule } from '../support/node-process.ts';

/** Runs these statements with a `log` in a process of its own and returns the lines it logs. */
async function logged(statements: string, level = 'info'): Promise<Record<string, unknown>[]> {
  const { stdout, stderr, code } = await runModule(`
    import { createLog, traces } from './platform/log.ts';
    import { Secret } from './platform/config/secret.ts';
    const log = createLog('delivery', '${level}');
    ${statements}`);
  assert.equal(code, 0, stderr);
  return linesOf(stdout);
}

describe('createLog()', () => {
  it('writes one JSON object per line, with role, level, process and time', async () => {
    const [line] = await logged("log.info({ event: 'code.sent', send: 1 });");
    assert.ok(line);
    const { time, pid, ...rest } = line;
    assert.deepEqual(rest, { level: 'info', role: 'delivery', event: 'code.sent', send: 1 });
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(typeof pid, 'number');
  });

  it('omits lines below its level', async () => {
    const statements = "log.debug({ event: 'a' }); log.info({ event: 'b' }); log.warn({ event: 'c' });";
    const events = (lines: Record<string, unknown>[]) => lines.map((line) => line.event);
    assert.deepEqual(events(await logged(statements, 'warn')), ['c']);
    assert.deepEqual(events(await logged(statements, 'debug')), ['a', 'b', 'c']);
  });

  it('masks passwords, PINs, codes and tokens at any depth of an object', async () => {
    const text = JSON.stringify(
      await logged(`
        const secrets = { password: 'canary', pin: 'canary', otp: 'canary', token: 'canary', authorization: 'canary',
          registrationToken: 'canary', refreshToken: 'canary' };
        log.info(secrets);
        log.info({ body: secrets });
        log.info({ req: { headers: secrets } });
        log.info({ req: { body: { device: secrets } } });
        log.info({ attempts: [{ list: [secrets] }] });
        log.error({ err: Object.assign(new Error('Bad'), { request: secrets }) });
        log.info({ config: { key: new Secret('canary') }, key: new Secret('canary') });`),
    );
    assert.equal(text.includes('canary'), false, text);
    assert.match(text, /"password":"\[secret\]"/);
  });

  it('logs an error with message and stack, and cuts off circular objects', async () => {
    const [line, endless] = await logged(`
      log.error({ event: 'request.failed', err: Object.assign(new Error('Bad'), { code: 11000 }) });
      const ring = { name: 'ring' };
      ring.self = ring;
      log.info({ ring });`);
    const err = line?.err as Record<string, unknown>;
    assert.equal(err.message, 'Bad');
    assert.equal(err.code, 11_000);
    assert.match(String(err.stack), /Error: Bad\n {4}at /);
    assert.match(JSON.stringify(endless), /"self":"\[deep\]"/);
  });

  it('adds the ids of the current request and trace', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const [inside, later, outside] = await logged(`
      const trace = { requestId: 'r1', traceparent: '${traceparent}' };
      await traces.run(trace, async () => {
        log.info({ event: 'inside' });
        await new Promise((resolve) => setImmediate(resolve));
        log.info({ event: 'later' });
      });
      log.info({ event: 'outside' });`);
    for (const line of [inside, later]) {
      assert.equal(line?.requestId, 'r1');
      assert.equal(line?.traceId, '4bf92f3577b34da6a3ce929d0e0e4736');
    }
    assert.equal(outside !== undefined && 'requestId' in outside, false);
  });

  it('keeps the ids of parallel requests apart', async () => {
    const lines = await logged(`
      const ids = ['one', 'two', 'three'];
      const allBegan = Promise.withResolvers();
      let begun = 0;
      await Promise.all(ids.map((requestId) =>
        traces.run({ requestId, traceparent: \`00-\${requestId}-x-01\` }, async () => {
          begun += 1;
          if (begun === ids.length) allBegan.resolve();
          await allBegan.promise;
          log.info({ event: requestId });
        })));`);
    assert.equal(lines.length, 3);
    for (const line of lines) {
      assert.equal(line.requestId, line.event);
      assert.equal(line.traceId, line.event);
    }
  });
});
