import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import type { Directory } from '../../adapters/ldap/connect.ts';
import { Secret } from '../../platform/config/secret.ts';
import { clientHello, connectTo, forward, startTestDirectory, startTestServer } from '../support/ldap.ts';
import { stopTime } from '../support/stopped-time.ts';
import { until } from '../support/until.ts';

const unavailable = (reason: string) => ({ outcome: 'unavailable', reason });
const logIn = (ldap: Directory) => ldap.authenticate('ada', 'analytical-engine');

describe('several servers', () => {
  it('uses the second while the first refuses connections', async () => {
    await using second = await startTestDirectory();
    await using ldap = connectTo(second, { urls: ['ldap://127.0.0.1:1', second.url] });
    assert.partialDeepStrictEqual(await logIn(ldap), { outcome: 'ok' });
  });

  it('fails over to the second when the first dies in use, and returns when the first is back', async () => {
    await using first = await startTestDirectory();
    await using second = await startTestDirectory();
    await using ldap = connectTo(second, { urls: [first.url, second.url] });
    assert.partialDeepStrictEqual(await logIn(ldap), { outcome: 'ok' });
    assert.equal(binds(await second.log()), 0);

    process.kill(first.process.pid, 'SIGKILL');
    const answers = await Promise.all(Array.from({ length: 20 }, () => logIn(ldap)));
    assert.equal(answers.filter((answer) => answer.outcome === 'ok').length, 20);
    assert.ok(binds(await second.log()) > 0);

    await first.startAgain();
    const outcomes = new Set<string>();
    await until(async () => {
      outcomes.add((await logIn(ldap)).outcome);
      return binds(await first.log()) > 0;
    });
    assert.deepEqual([...outcomes], ['ok']);
  });

  it('does not bind to another server after a refusal', async () => {
    await using first = await startTestDirectory();
    await using second = await startTestDirectory();
    await using ldap = connectTo(second, { urls: [first.url, second.url] });
    assert.equal((await ldap.authenticate('ada', 'wrong')).outcome, 'refused');
    assert.equal(binds(await second.log()), 0);
  });
});

describe('an unavailable directory', () => {
  it('causes an outage result, not a refusal, and works again on the same port without intervention', async () => {
    await using directory = await startTestDirectory();
    await using ldap = connectTo(directory);
    assert.partialDeepStrictEqual(await logIn(ldap), { outcome: 'ok' });
    await directory.process.stop();
    assert.deepEqual(await logIn(ldap), unavailable('unreachable'));
    assert.deepEqual(await ldap.authenticate('ada', 'wrong'), unavailable('unreachable'));
    await assert.rejects(ldap.ping(), { message: 'The directory is unavailable: unreachable' });

    await directory.startAgain();
    await until(async () => (await logIn(ldap)).outcome === 'ok');
    await ldap.ping();
  });

  it('is not noticed when it only restarted between two requests', async () => {
    await using directory = await startTestDirectory();
    await using ldap = connectTo(directory);
    assert.partialDeepStrictEqual(await logIn(ldap), { outcome: 'ok' });
    await directory.process.stop();
    await directory.startAgain();
    assert.partialDeepStrictEqual(await logIn(ldap), { outcome: 'ok' });
  });

  it('is not noticed when it closes idle connections as they are reused', async () => {
    await using directory = await startTestDirectory();
    const doomed = new Set<Socket>();
    await using proxy = await startTestServer((socket, bytes) => {
      if (doomed.has(socket)) socket.destroy();
      else forward(socket, directory.port).write(bytes);
    });
    await using ldap = connectTo(directory, { urls: [proxy.url] });
    assert.partialDeepStrictEqual(await logIn(ldap), { outcome: 'ok' });
    for (const socket of proxy.accepted) doomed.add(socket);
    assert.partialDeepStrictEqual(await logIn(ldap), { outcome: 'ok' });
    assert.equal(proxy.accepted.length, 4);
  });

  it('does not keep a process from starting', async () => {
    await using directory = await startTestDirectory();
    await directory.process.stop();
    await using ldap = connectTo(directory);
    assert.deepEqual(await logIn(ldap), unavailable('unreachable'));
  });

  it('is reported when the password of the service account is wrong', async () => {
    await using directory = await startTestDirectory();
    await using ldap = connectTo(directory, { bindPassword: new Secret('wrong') });
    assert.deepEqual(await logIn(ldap), unavailable('service-bind-refused'));
  });

  it('is reported when the search base does not exist', async () => {
    await using directory = await startTestDirectory();
    await using ldap = connectTo(directory, { baseDn: 'ou=nowhere,dc=example,dc=org' });
    assert.deepEqual(await logIn(ldap), unavailable('base-missing'));
  });
});

describe('a server that accepts connections and never responds', () => {
  it('times out in plain text, with StartTLS and with ldaps://', async () => {
    await using silent = await startTestServer();
    await using directory = await startTestDirectory({ certificate: 'valid' });
    const options = { timeoutMs: 1000 };
    await using inClear = connectTo(directory, { ...options, urls: [silent.url] });
    await using startTls = connectTo(directory, { ...options, urls: [silent.url], startTls: true });
    await using ldaps = connectTo(directory, { ...options, urls: [silent.url.replace('ldap:', 'ldaps:')] });
    using time = stopTime();
    for (const ldap of [inClear, startTls, ldaps]) {
      const before = silent.received().length;
      let answer: unknown;
      const asking = logIn(ldap).then((given) => {
        answer = given;
      });
      await until(() => silent.received().length > before);
      await time.pass(999);
      assert.equal(answer, undefined);
      await time.pass(1);
      await asking;
      assert.deepEqual(answer, unavailable('timeout'));
    }
  });

  it('times out when it stops responding during the StartTLS handshake', async () => {
    await using silent = await startTestServer((socket, request) => {
      const answer = Buffer.from('300c02010078070a010004000400', 'hex');
      answer[4] = request[4] ?? 0;
      if (socket.bytesWritten === 0) socket.write(answer);
    });
    await using directory = await startTestDirectory({ certificate: 'valid' });
    await using ldap = connectTo(directory, { timeoutMs: 1000, urls: [silent.url], startTls: true });
    using time = stopTime();
    const asking = logIn(ldap);
    await until(() => silent.received().includes(clientHello));
    await time.pass(1000);
    assert.deepEqual(await asking, unavailable('timeout'));
  });

  it('times out when it stops responding in use, and works again later', async () => {
    await using directory = await startTestDirectory();
    let isSilent = false;
    await using proxy = await startTestServer((socket, bytes) => {
      if (!isSilent) forward(socket, directory.port).write(bytes);
    });
    await using ldap = connectTo(directory, { timeoutMs: 1000, urls: [proxy.url] });
    using time = stopTime();
    assert.partialDeepStrictEqual(await logIn(ldap), { outcome: 'ok' });
    isSilent = true;
    const before = proxy.received().length;
    const asking = logIn(ldap);
    await until(() => proxy.received().length > before);
    await time.pass(1000);
    assert.deepEqual(await asking, unavailable('timeout'));
    isSilent = false;
    await time.pass(300);
    assert.partialDeepStrictEqual(await logIn(ldap), { outcome: 'ok' });
  });

  it('delays only the first request before the second server is used', async () => {
    await using silent = await startTestServer();
    await using directory = await startTestDirectory();
    await using ldap = connectTo(directory, { timeoutMs: 1000, urls: [silent.url, directory.url], retryMs: 60_000 });
    using time = stopTime();
    const asking = logIn(ldap);
    await until(() => silent.received().length > 0);
    await time.pass(1000);
    assert.partialDeepStrictEqual(await asking, { outcome: 'ok' });
    // time is stopped, so waiting for the first server would never end
    for (let request = 0; request < 10; request++) assert.equal((await logIn(ldap)).outcome, 'ok');
    assert.equal(silent.accepted.length, 1);
  });
});

describe('the circuit breaker', () => {
  it('skips a failed server, then lets one request probe it', async () => {
    await using broken = await startTestServer((socket) => socket.destroy());
    await using directory = await startTestDirectory();
    await using ldap = connectTo(directory, { urls: [broken.url], retryMs: 300 });
    using time = stopTime();
    for (let request = 0; request < 50; request++) assert.deepEqual(await logIn(ldap), unavailable('connection-lost'));
    assert.equal(broken.accepted.length, 1);

    await time.pass(299);
    assert.deepEqual(await logIn(ldap), unavailable('connection-lost'));
    assert.equal(broken.accepted.length, 1);
    await time.pass(1);
    const answers = await Promise.all(Array.from({ length: 10 }, () => logIn(ldap)));
    assert.ok(answers.every((answer) => answer.outcome === 'unavailable'));
    assert.equal(broken.accepted.length, 2);
  });

  it('is not opened by refusals', async () => {
    await using directory = await startTestDirectory();
    await using ldap = connectTo(directory);
    await Promise.all(Array.from({ length: 50 }, (_, index) => ldap.authenticate(`nobody${index}`, 'wrong')));
    assert.partialDeepStrictEqual(await logIn(ldap), { outcome: 'ok' });
  });
});

function binds(lines: string[]): number {
  return lines.filter((line) => / BIND dn="uid=/.test(line)).length;
}
