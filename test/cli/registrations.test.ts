import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import { codeFor, messagesTo, type RegistrationHandle } from '../support/client.ts';
import { setFault } from '../support/faults.ts';
import { personOf } from '../support/journey.ts';
import { projectFolder } from '../support/node-process.ts';
import { goodPassword, must, phoneOf, registrationAtCode } from '../support/registrations.ts';
import { connectStores } from '../support/stores.ts';
import { startOwnTestSystem } from '../support/system.ts';
import { eventually, until } from '../support/until.ts';
import { jsonOf, vyryFor, vyryProcessFor } from '../support/vyry.ts';
import { withSystem } from '../support/with-system.ts';

const { system } = await withSystem({}, { start: startOwnTestSystem });
const vyry = vyryFor(system);

beforeEach(() => setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'none' }));

/** Starts a registration whose code waits for the SMS provider. */
async function stuckOnSms(person: number): Promise<RegistrationHandle> {
  const registration = await registrationAtCode(system.ready.apiUrl, person);
  await setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'error500' });
  await must(registration.call('POST', '/codes', { channel: 'sms' }), 202);
  await until(async () => (await registration.call('GET', '')).body.waitingFor === 'sms');
  return registration;
}

const stateOf = async (registration: RegistrationHandle) => (await registration.call('GET', '')).body.state;

describe('vyry registrations list', () => {
  it('lists only the registrations that wait for a provider', async () => {
    const registration = await stuckOnSms(10);
    const other = await registrationAtCode(system.ready.apiUrl, 11);
    const idsOf = async (...filter: string[]) =>
      (jsonOf(await vyry(['registrations', 'list', '--json', ...filter])) as { id: string }[]).map(({ id }) => id);
    // the visibility store lags behind
    await until(async () => (await idsOf('--waiting-for', 'sms')).includes(registration.id));
    await until(async () => (await idsOf('--state', 'pending', '--step', 'code')).includes(other.id));
    assert.deepEqual(await idsOf('--waiting-for', 'sms', '--state', 'waiting'), [registration.id]);
    assert.deepEqual(await idsOf('--waiting-for', 'sms', '--older-than', '1h'), []);
    assert.equal((await idsOf('--limit', '1')).length, 1);
    assert.equal((await idsOf('--state', 'pending')).includes(registration.id), false);
    const { stdout } = await vyryProcessFor(system)(['registrations', 'list', '--waiting-for', 'sms']);
    const lines = stdout.split('\n').map((line) => line.split(/ {3,}/));
    assert.deepEqual(lines[0]?.slice(0, 4), ['registration', 'state', 'step', 'waiting for']);
    assert.deepEqual(lines[1]?.slice(0, 4), [registration.id, 'waiting', 'code', 'sms']);
    assert.match((await vyry(['registrations', 'list', '--state', 'rejected'])).stdout, /No such registrations/);
  });
});

describe('vyry registrations show', () => {
  it('shows where a registration waits and why, without number, address or name', async () => {
    const registration = await stuckOnSms(12);
    const { code, stdout } = await eventually(async () => {
      const told = await vyry(['registrations', 'show', `registration:${registration.id}`]);
      return told.stdout.includes('reason: answers 500') ? told : undefined;
    });
    assert.equal(code, 0);
    assert.match(stdout, /state +waiting/);
    assert.match(stdout, /steps +directory done, captcha done, code waiting \(sms-unavailable\), credentials open/);
    assert.match(stdout, /^waiting for sms since [\d: -]+, \d+ attempts?, .*, reason: answers 500$/m);
    assert.match(stdout, /- [\d: -]+ directory password right\n/);
    assert.match(stdout, /number +\+44•••••0012/);
    const { phone, email, username, fullName } = personOf(12);
    for (const personal of [phone.slice(1), email, username, fullName]) assert.equal(stdout.includes(personal), false);
    const { status, details } = jsonOf(await vyry(['registrations', 'show', registration.id, '--json']));
    assert.equal(status.waitingFor, 'sms');
    assert.match(details, /^\*\*waiting for sms\*\*/);
  });

  it('shows the pending activity of a missing worker', async () => {
    const registration = await registrationAtCode(system.ready.apiUrl, 13);
    await system.kill('delivery');
    try {
      await must(registration.call('POST', '/codes', { channel: 'sms' }), 202);
      const { stdout } = await vyry(['registrations', 'show', registration.id]);
      assert.match(stdout, /^calling sms since [\d: -]+, no response yet$/m);
      assert.match(stdout, /activity +state +attempt.*\nsendCode +scheduled +1/);
    } finally {
      await system.restart('delivery');
    }
    await codeFor(system.ready.outboxUrl, phoneOf(13));
  });

  it('reports an unknown id, and how to find one', async () => {
    const { code, stderr } = await vyry(['registrations', 'show', 'a'.repeat(32)]);
    assert.equal(code, 1);
    assert.match(stderr, /There is no registration a{32}\. vyry registrations list/);
  });
});

describe('vyry registrations retry', () => {
  it('retries at once, and is refused when nothing waits', async () => {
    const registration = await stuckOnSms(14);
    const { code, stderr } = await vyry(['registrations', 'retry', registration.id, '--by', 'alice']);
    assert.equal(code, 0, stderr);
    await setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'none' });
    await codeFor(system.ready.outboxUrl, phoneOf(14), 1);
    assert.match((await vyry(['registrations', 'show', registration.id])).stdout, /operator alice: retry requested/);
    const again = await vyry(['registrations', 'retry', registration.id]);
    assert.deepEqual([again.code, again.stderr], [1, 'The registration is not waiting for a dependency.\n']);
  });
});

describe('vyry registrations switch-channel', () => {
  it('completes a waiting registration on another channel, without a message on the first', async () => {
    const registration = await stuckOnSms(15);
    const switched = await vyry(['registrations', 'switch-channel', registration.id, 'email', '--by', 'alice']);
    assert.equal(switched.code, 0, switched.stderr);
    const code = await codeFor(system.ready.outboxUrl, personOf(15).email);
    await setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'none' });
    await must(registration.call('PUT', '/code', { code }));
    await must(registration.call('PUT', '/credentials', { password: goodPassword }));
    assert.equal(await stateOf(registration), 'completed');
    assert.deepEqual(await messagesTo(system.ready.outboxUrl, phoneOf(15)), []);
    assert.equal((await messagesTo(system.ready.outboxUrl, personOf(15).email)).length, 1);
    const { stdout } = await vyry(['registrations', 'show', registration.id]);
    assert.match(stdout, /operator alice: channel switched to email/);
    const over = await vyry(['registrations', 'switch-channel', registration.id, 'sms']);
    assert.equal(over.code, 1);
    assert.match(over.stderr, /has ended/);
  });

  it('is refused with a reason when nothing waits', async () => {
    const registration = await registrationAtCode(system.ready.apiUrl, 16);
    const { code, stderr } = await vyry(['registrations', 'switch-channel', registration.id, 'email']);
    assert.equal(code, 1);
    assert.match(stderr, /No code sent by another channel waits or was refused/);
  });
});

describe('vyry registrations cancel', () => {
  it('asks for confirmation, and requires --yes without a terminal', async () => {
    const registration = await registrationAtCode(system.ready.apiUrl, 17);
    const unsure = await vyry(['registrations', 'cancel', registration.id]);
    assert.equal(unsure.code, 2);
    assert.match(unsure.stderr, /add --yes/);
    assert.equal(await stateOf(registration), 'pending');
    const sure = await vyry(['registrations', 'cancel', registration.id, '--yes', '--by', 'bob']);
    assert.deepEqual([sure.code, sure.stdout], [0, `Registration ${registration.id} is cancelled.\n`]);
    const { body } = await registration.call('GET', '');
    assert.deepEqual([body.state, body.reason], ['cancelled', 'operator']);
  });
});

describe('the saved views of docs/operate.md', () => {
  it('are valid Temporal queries', async () => {
    const page = readFileSync(join(projectFolder, 'docs', 'operate.md'), 'utf8');
    const section = page.split('### Saved views')[1]?.split('\n## ')[0] ?? '';
    const queries = [...section.matchAll(/\| `([^`]+)` \|$/gm)].map(([, query = '']) => query);
    assert.ok(queries.length >= 10);
    await using stores = await connectStores(system);
    for (const query of queries) await assert.doesNotReject(stores.temporal.workflow.count(query), query);
  });
});
