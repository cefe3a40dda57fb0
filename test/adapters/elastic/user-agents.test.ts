import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { programOf } from '../../../adapters/elastic/user-agents.ts';

describe('programOf()', () => {
  it('names browser, system and kind of device', () => {
    const safari =
      'Mozilla/5.0 (iPhone; CPU iPhone OS 17_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.3 Mobile/15E148 Safari/604.1';
    assert.deepEqual(programOf(safari), {
      name: 'Safari',
      version: '17.3',
      os: { name: 'iOS', version: '17.3' },
      device: { name: 'mobile' },
    });
  });

  it('names a program by its product, and takes any text', () => {
    assert.deepEqual(programOf('curl/8.5.0'), { name: 'curl', version: '8.5.0' });
    assert.deepEqual(programOf('python-requests/2.32'), { name: 'python-requests', version: '2.32' });
    for (const odd of ['', '(((', '\u0000', 'x'.repeat(512)]) assert.doesNotThrow(() => programOf(odd));
    assert.deepEqual(programOf(''), {});
  });
});
