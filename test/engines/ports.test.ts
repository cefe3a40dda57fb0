import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { freePort, preferPort } from '../../engines/ports.ts';
import { runModule } from '../support/node-process.ts';

const reservations = join(tmpdir(), `vyry-ports-${userInfo().uid}`);
const reserved = () => new Set(readdirSync(reservations));

describe('freePort()', () => {
  it('reserves a port until its process ends, also against other processes', async () => {
    const own = await freePort();
    assert.ok(reserved().has(String(own)));
    const { stdout } = await runModule(
      `import { freePort, preferPort } from './engines/ports.ts'; console.log((await Promise.all(Array.from({ length: 50 }, freePort))).join(' '));`,
      {},
    );
    const others = stdout.trim().split(' ');
    assert.equal(new Set([...others, String(own)]).size, 51);
    const left = reserved();
    assert.ok(left.has(String(own)));
    assert.deepEqual(
      others.filter((port) => left.has(port)),
      [],
    );
  });
});

describe('preferPort()', () => {
  it('keeps the usual port for its process before anything listens there', async () => {
    const released = await runModule(
      `import { freePort } from './engines/ports.ts'; console.log(await freePort());`,
      {},
    );
    const usual = Number(released.stdout);
    const prefer = `import { preferPort } from './engines/ports.ts'; console.log(await preferPort('a test', undefined, ${usual}));`;
    // a process that was killed leaves its reservation behind
    const killed = await runModule(`${prefer} process.kill(process.pid, 'SIGKILL');`, {});
    assert.equal(killed.signal, 'SIGKILL');
    assert.equal(await preferPort('a test', undefined, usual), usual);
    const other = await runModule(prefer, {});
    assert.notEqual(Number(other.stdout), usual);
  });
});
