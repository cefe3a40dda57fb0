/** Measures how long the refusals of a directory take. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectTo, forward, startTestDirectory, startTestServer } from '../support/ldap.ts';
import { median } from '../support/median.ts';

describe('authenticate()', () => {
  it('takes the same time to refuse an unknown name and a wrong password, even if the server does not', async () => {
    await using directory = await startTestDirectory();
    await using slow = await startTestServer((socket, bytes) => {
      const isOfPerson = bytes.includes('uid=person998');
      setTimeout(() => forward(socket, directory.port).write(bytes), isOfPerson ? 40 : 0);
    });
    await using other = connectTo(directory, { urls: [slow.url] });
    const times: Record<string, number[]> = { person998: [], nobody: [] };
    for (let sample = 0; sample < 15; sample++) {
      for (const name of ['person998', 'nobody']) {
        const started = performance.now();
        await other.authenticate(name, 'wrong');
        times[name]?.push(performance.now() - started);
      }
    }
    const [wrong, unknown] = [median(times.person998 ?? []), median(times.nobody ?? [])];
    assert.ok(Math.abs(wrong - unknown) < 20, `wrong ${wrong} ms, unknown ${unknown} ms`);
  });
});
