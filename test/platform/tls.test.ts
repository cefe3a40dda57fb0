// @rerun never
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { connect } from 'node:tls';
import { openTemporaryFolder } from '../../engines/data-folder.ts';
import { createCertificates, createClientCertificate } from '../../engines/directory/certificates.ts';
import { FileSecret } from '../../platform/config/secret.ts';
import { createTlsContext } from '../../platform/tls.ts';
import { testEngines } from '../support/engines.ts';
import { startTlsProxy } from '../support/tls-proxies.ts';

const folder = await openTemporaryFolder();
after(() => folder.close());

describe('createTlsContext()', () => {
  it('uses what the files contain at each connection, and what they contained while they are replaced', async () => {
    const certificates = await createCertificates(folder.path, 'valid');
    await createClientCertificate(folder.path, 'vyry');
    await using proxy = await startTlsProxy(Number(new URL(testEngines().redisUrl).port), { certificates });
    const fileOf = (name: string) => new FileSecret(join(folder.path, name));
    const secureContext = createTlsContext({
      ca: fileOf('ca.pem'),
      cert: fileOf('vyry.pem'),
      key: fileOf('vyry-key.pem'),
    });
    const connectOnce = () =>
      new Promise<void>((done, fail) => {
        const to = { host: '127.0.0.1', port: proxy.port, secureContext };
        const socket = connect(to, () => socket.write('PING\r\n'));
        socket.once('error', fail);
        socket.once('data', () => {
          socket.destroy();
          done();
        });
      });
    await connectOnce();
    // the certificate without its key, then no certificate at all
    writeFileSync(join(folder.path, 'vyry.pem'), certificates.ca);
    await connectOnce();
    rmSync(join(folder.path, 'vyry.pem'));
    await connectOnce();
    await createClientCertificate(folder.path, 'vyry');
    await connectOnce();
    const [first, second, third, last] = proxy.certificates;
    assert.deepEqual([second, third], [first, first]);
    assert.notEqual(last, first);
  });
});
