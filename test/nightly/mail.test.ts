/** Measures the timeout of a mail server. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { connectMail } from '../../adapters/mail.ts';
import { Secret } from '../../platform/config/secret.ts';

describe('send()', () => {
  it('waits no longer than ten seconds per step', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket));
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const url = new Secret(`smtp://127.0.0.1:${(silent.address() as AddressInfo).port}`);
    const mail = connectMail({ url, from: 'no-reply@example.org' });
    const begin = performance.now();
    const message = { to: 'ada@example.com', subject: 'Your code', text: 'code', html: '<p>code</p>', messageId: '1' };
    await assert.rejects(mail.send(message), { code: 'unavailable' });
    const seconds = (performance.now() - begin) / 1000;
    assert.ok(seconds > 9.9 && seconds < 14, `${seconds} s`);
    mail.close();
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
});
