import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Compensations } from '../../workflows/compensations.ts';

describe('Compensations', () => {
  it('runs compensations one after the other, in reverse order, each once', async () => {
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

  it('does nothing when there is nothing to compensate', async () => {
    await new Compensations().run();
  });
});
