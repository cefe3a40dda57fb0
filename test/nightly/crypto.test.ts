// @rerun never
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkKilledProcesses } from '../support/crash-runs.ts';
import { findMutants, findSurvivors } from '../support/crypto-mutants.ts';
import { checkConversations, checkCrashes, prepare } from '../support/crypto-properties.ts';

const runs = 10_000;

describe('the encryption, ten thousand times', () => {
  it('opens each message once, in any order, and nothing that was repeated, reflected or changed', async () => {
    await checkConversations(await prepare({ isBegun: true }), runs);
  });

  it('does so from the first message on, also when both sides begin at the same time', async () => {
    await checkConversations(await prepare({ isBegun: false }), runs);
  });

  it('uses no key twice, and loses and doubles no message, when processes end before or after any change is kept', async () => {
    await checkCrashes(await prepare({ isBegun: true }), runs);
  });
});

describe('the file store, a thousand times', () => {
  it('survives the end of the process between any two awaits: no key twice, no message lost or doubled', async (t) => {
    const killed = await checkKilledProcesses(1000);
    t.diagnostic(`${killed} of 1,000 processes were killed`);
    assert.ok(killed > 500);
  });
});

describe('the tests of the encryption', () => {
  it('notice when any of its checks is removed', async (t) => {
    const survivors = await findSurvivors(await findMutants(), (text) => t.diagnostic(text));
    assert.deepEqual(survivors, []);
  });
});
