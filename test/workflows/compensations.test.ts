import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Compensations } from '../../workflows/compensations.ts';

describe('Compensations', () => {
  it('takes steps back one after the other, the last first, each once', async () => {
    const undone: string[] = [];
    const undo = new Compensations();
    for (const name of ['first', 'second', 'third']) {
      undo.add(async () => {
        await new Promise((resolve) => setTimeout(resolve, name === 'third' ? 20 : 0));
        undone.push(name);
      });
    }
    await undo.run();
    await undo.run();
    assert.deepEqual(undone, ['third', 'second', 'first']);
  });

  it('has nothing to take back when nothing was done', async () => {
    await new Compensations().run();
  });
});
