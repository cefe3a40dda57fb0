import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { Secret } from '../../platform/config/secret.ts';
import {
  clientHello,
  connectTo,
  forward,
  startTestDirectory,
  startTestServer,
  type TestDirectory,
} from '../support/ldap.ts';
import { stopTime } from '../support/stopped-time.ts';
import { until } from '../support/until.ts';

const unavailable = (reason: string) => ({ outcome: 'unavailable', reason });

describe('StartTLS', () => {
  it('encrypts before the service account and the user bind', async () => {
    await using directory = await startTestDirectory({ certificate: 'valid' });
    await using ldap = connectTo(directory, { startTls: true });
    assert.equal((await ldap.authenticate('ada', 'analytical-engine')).outcome, 'ok');
    assert.deepEqual(await strengths(directory), [256, 256]);
  });

  it('checks the certificate for a host name and for an IP address', async () => {
    await using directory = await startTestDirectory({ certificate: 'valid' });
    await using ldap = connectTo(directory, { startTls: true, urls: [`ldap://localhost:${directory.port}`] });
    assert.equal((await ldap.authenticate('ada', 'analytical-engine')).outcome, 'ok');
  });

  it('E10: sends no bind when the server refuses StartTLS', async () => {
    await using directory = await startTestDirectory();
    await using ldap = connectTo(directory, { startTls: true });
    assert.deepEqual(await ldap.authenticate('ada', 'analytical-engine'), unavailable('start-tls-refused'));
    assert.deepEqual(await strengths(directory), []);
  });

  it('E10: sends no bind when a middlebox drops StartTLS', async () => {
    await using cipher = await startTestServer((socket) => socket.destroy());
    await using directory = await startTestDirectory();
    await using ldap = connectTo(directory, { startTls: true, urls: [cipher.url] });
    assert.deepEqual(await ldap.authenticate('ada', 'analytical-engine'), unavailable('connection-lost'));
    assert.doesNotMatch(cipher.received(), /vyry|example-only-bind|ada|analytical/);
  });

  it('E10: sends no bind when a middlebox accepts StartTLS and continues in plain text', async () => {
    await using cipher = await startTestServer(accept);
    await using directory = await startTestDirectory();
    await using ldap = connectTo(directory, { startTls: true, urls: [cipher.url], timeoutMs: 1000 });
    using time = stopTime();
    const asking = ldap.authenticate('ada', 'analytical-engine');
    await until(() => cipher.received().includes(clientHello));
    await time.pass(1000);
    assert.deepEqual(await asking, unavailable('timeout'));
    assert.doesNotMatch(cipher.received(), /vyry|example-only-bind|ada|analytical/);
  });

  it('E10: ignores a response injected before encryption begins', async () => {
    await using directory = await startTestDirectory({ certificate: 'valid' });
    // all but the last byte of a successful BindResponse with the message ID of the coming bind: ldapts would complete
    // it
    const forged = Buffer.from('300d02010361080a010004000401', 'hex');
    await using cipher = await startTestServer((socket, bytes) => {
      const isOfPerson = cipher.accepted.indexOf(socket) === 1;
      forward(socket, directory.port, isOfPerson ? forged : Buffer.alloc(0)).write(bytes);
    });
    await using ldap = connectTo(directory, { startTls: true, urls: [cipher.url] });
    assert.deepEqual(await ldap.authenticate('ada', 'wrong'), unavailable('tls-failed'));
  });

  it('E9: sends no bind when the certificate is expired, self-signed, untrusted or for another host', async () => {
    for (const certificate of ['wrong-host', 'expired', 'self-signed'] as const) {
      await using directory = await startTestDirectory({ certificate });
      await using ldap = connectTo(directory, { startTls: true });
      assert.deepEqual(await ldap.authenticate('ada', 'analytical-engine'), unavailable('certificate-refused'));
      assert.deepEqual(await strengths(directory), []);
    }
    await using directory = await startTestDirectory({ certificate: 'valid' });
    await using stranger = await startTestDirectory({ certificate: 'valid' });
    await using ldap = connectTo(directory, { startTls: true, ca: new Secret(stranger.ca ?? '') });
    assert.deepEqual(await ldap.authenticate('ada', 'analytical-engine'), unavailable('certificate-refused'));
    assert.deepEqual(await strengths(directory), []);
  });
});

describe('ldaps://', () => {
  it('encrypts from the first byte', async () => {
    await using directory = await startTestDirectory({ certificate: 'valid' });
    await using ldap = connectTo(directory, { urls: [directory.tlsUrl ?? ''] });
    assert.equal((await ldap.authenticate('ada', 'analytical-engine')).outcome, 'ok');
    assert.deepEqual(await strengths(directory), [256, 256]);
  });

  it('E9: sends no bind when the certificate is expired, self-signed, untrusted or for another host', async () => {
    for (const certificate of ['wrong-host', 'expired', 'self-signed'] as const) {
      await using directory = await startTestDirectory({ certificate });
      await using ldap = connectTo(directory, { urls: [directory.tlsUrl ?? ''] });
      assert.deepEqual(await ldap.authenticate('ada', 'analytical-engine'), unavailable('certificate-refused'));
      assert.deepEqual(await strengths(directory), []);
    }
    await using directory = await startTestDirectory({ certificate: 'valid' });
    await using ldap = connectTo(directory, { urls: [directory.tlsUrl ?? ''], ca: undefined });
    assert.deepEqual(await ldap.authenticate('ada', 'analytical-engine'), unavailable('certificate-refused'));
    assert.deepEqual(await strengths(directory), []);
  });

  it('is unavailable when the port does not speak TLS', async () => {
    await using directory = await startTestDirectory();
    await using ldap = connectTo(directory, { urls: [directory.url.replace('ldap:', 'ldaps:')] });
    assert.equal((await ldap.authenticate('ada', 'analytical-engine')).outcome, 'unavailable');
  });
});

/** Returns the encryption strength, in bits, under which each bind was accepted. */
async function strengths(directory: TestDirectory): Promise<number[]> {
  const lines = await directory.log();
  return lines.flatMap((line) => {
    const bits = / BIND dn=.* mech=SIMPLE .* ssf=(\d+)$/.exec(line)?.[1];
    return bits === undefined ? [] : [Number(bits)];
  });
}

/** Answers the first message with a successful extended response (RFC 4511 section 4.12). */
function accept(socket: Socket, request: Buffer): void {
  const answer = Buffer.from('300c02010078070a010004000400', 'hex');
  answer[4] = request[4] ?? 0;
  if (socket.bytesWritten === 0) socket.write(answer);
}
