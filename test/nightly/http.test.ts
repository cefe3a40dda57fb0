/** Measures how long requests take when Redis hangs. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { call, startRegistration } from '../support/client.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind } = await withSystem();

describe('an api whose Redis hangs', () => {
  it('returns 503 within 12 s', async () => {
    const url = system.ready.apiUrl;
    const registration = await startRegistration(url);
    const redisPid = Number(/process_id:(\d+)/.exec(await behind.redis.info('server'))?.[1]);
    const beganAt = performance.now();
    process.kill(redisPid, 'SIGSTOP');
    const answers = await Promise.all([
      call(url, 'GET', '/health/ready'),
      call(url, 'POST', '/api/v1/registrations', { body: {} }),
      registration.call('GET', ''),
      registration.call('PUT', '/code', { code: '123456' }),
      registration.call('PUT', '/directory', { username: 'person083', password: 'person-083' }),
    ]).finally(() => process.kill(redisPid, 'SIGCONT'));
    assert.ok(performance.now() - beganAt < 12_000, 'no request takes long');
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([503]));
  });
});
