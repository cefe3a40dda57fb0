import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import type { System } from '../../engines/system.ts';
import { type Answer, codeFor, type Flow, solveCaptcha, startFlow } from '../support/client.ts';
import { holdToContract } from '../support/contract.ts';
import { startTestSystem } from '../support/engines.ts';
import {
  allMessages,
  type Behind,
  flowToCode,
  flowWithCode,
  goodPassword,
  lookBehind,
  must,
  phoneOf,
  startAnotherApi,
  wrongCode,
} from '../support/flows.ts';

let system: System;
let behind: Behind;
let url: string;

before(async () => {
  system = await startTestSystem({ env: { CAPTCHA_COST: '2' } });
  behind = await lookBehind(system);
  url = system.ready.apiUrl;
  await holdToContract(url);
});

after(async () => {
  await behind?.[Symbol.asyncDispose]();
  await system?.stop();
});

/** Calls at the same time, and how many answers have each status. */
async function atOnce(
  count: number,
  make: (index: number) => Promise<Answer>,
): Promise<{ answers: Answer[]; statuses: Record<number, number> }> {
  const answers = await Promise.all(Array.from({ length: count }, (_, index) => make(index)));
  const statuses: Record<number, number> = {};
  for (const { status } of answers) statuses[status] = (statuses[status] ?? 0) + 1;
  return { answers, statuses };
}

/** What became of the checks of a registration's code, as the api's log tells it. */
async function checksLogged({ id }: Flow): Promise<string[]> {
  const lines = (await readFile(system.processes.logFile('api'), 'utf8')).split('\n');
  return lines
    .filter((line) => line.includes('"event":"code.checked"') && line.includes(id))
    .map((line) => JSON.parse(line).outcome);
}

describe('PUT /api/v1/registrations/{id}/code', () => {
  it('compares at most five of 100 wrong codes that come at once', async () => {
    const { flow, code } = await flowWithCode(system, 20);
    const { answers, statuses } = await atOnce(100, (index) =>
      flow.call('PUT', '/code', { code: wrongCode(code, index + 1) }),
    );
    assert.deepEqual(statuses, { 400: 100 });
    assert.deepEqual([...new Set(answers.map(({ body }) => body.error_code))], ['INVALID_OTP']);
    const left = answers.map(({ body }) => body.attemptsLeft).sort((a, b) => b - a);
    assert.deepEqual(left.slice(0, 5), [4, 3, 2, 1, 0]);
    assert.equal(left[5], 0);
    assert.equal((await behind.verificationOf(flow.id))['checks:1'], '5');
    const outcomes = await checksLogged(flow);
    assert.equal(outcomes.filter((outcome) => outcome === 'wrong').length, 5);
    assert.equal(outcomes.filter((outcome) => outcome === 'exhausted').length, 95);
    const right = await flow.call('PUT', '/code', { code });
    assert.equal(right.status, 400, 'the right code comes too late');
    assert.equal((await behind.verificationOf(flow.id)).verified, undefined);
  });

  it('takes the right code 50 times at once for one account and one session', async () => {
    const { flow, code } = await flowWithCode(system, 21);
    await must(flow.call('PUT', '/credentials', { password: goodPassword }));
    const proofs = await atOnce(50, () => flow.call('PUT', '/code', { code }));
    assert.deepEqual(proofs.statuses, { 200: 50 });
    const userIds = new Set(proofs.answers.map(({ body }) => body.userId));
    assert.equal(userIds.size, 1);
    const sessions = await atOnce(50, () => flow.call('POST', '/session'));
    assert.deepEqual(sessions.statuses, { 201: 1, 409: 49 });
    const [userId = ''] = await behind.accountsOf('person021');
    assert.deepEqual([...userIds], [userId]);
    assert.equal((await behind.accountsOf('person021')).length, 1);
    assert.equal((await behind.sessionsOf(userId)).length, 1);
    assert.equal((await behind.keys('refresh:*')).length, 1);
    assert.ok((await behind.historyLengthOf(flow.id)) < 400, 'the history stays small');
  });
});

describe('POST /api/v1/registrations/{id}/codes', () => {
  it('sends one message when two sends come at once, with and without a key', async () => {
    const [bare, keyed] = await Promise.all([flowToCode(url, 22), flowToCode(url, 23)]);
    const [without, withKey] = await Promise.all([
      atOnce(2, () => bare.call('POST', '/codes', { channel: 'sms' })),
      atOnce(2, () => keyed.call('POST', '/codes', { channel: 'sms' }, { 'Idempotency-Key': 'one' })),
    ]);
    assert.deepEqual(without.statuses, { 202: 1, 429: 1 });
    assert.equal(without.answers.find(({ status }) => status === 429)?.body.limit, 'code-resend');
    assert.deepEqual(withKey.statuses, { 202: 2 });
    await Promise.all([codeFor(system.ready.outboxUrl, phoneOf(22)), codeFor(system.ready.outboxUrl, phoneOf(23))]);
    const recipients = (await allMessages(system.ready.outboxUrl)).map(({ to }) => to);
    assert.equal(recipients.filter((to) => to === phoneOf(22)).length, 1);
    assert.equal(recipients.filter((to) => to === phoneOf(23)).length, 1);
  });
});

describe('PUT /api/v1/registrations/{id}/captcha', () => {
  it('lets one solved captcha pass in one of 20 registrations that use it at once', async () => {
    const [proof, flows] = await Promise.all([
      solveCaptcha(url),
      Promise.all(Array.from({ length: 20 }, () => startFlow(url))),
    ]);
    const { answers, statuses } = await atOnce(20, async (index) =>
      (flows[index] as Flow).call('PUT', '/captcha', proof),
    );
    assert.deepEqual(statuses, { 200: 1, 400: 19 });
    const winner = answers.findIndex(({ status }) => status === 200);
    const passed = await Promise.all(
      flows.map(async (flow) => (await flow.call('GET', '')).body.steps[1].status === 'done'),
    );
    assert.deepEqual(
      passed,
      flows.map((_, index) => index === winner),
    );
    await must((flows[winner] as Flow).call('PUT', '/captcha', proof));
  });
});

describe('50 registrations of one person at once', () => {
  it('end with one account; the others are told that the identity is taken', async () => {
    const { apiUrl } = await startAnotherApi(system, { REGISTRATION_STEPS: 'code' });
    await holdToContract(apiUrl);
    const spellings = ['One.Person@example.net', 'one.person@EXAMPLE.net'];
    const flows = await Promise.all(
      Array.from({ length: 50 }, (_, index) => startFlow(apiUrl, { email: spellings[index % 2], username: 'one' })),
    );
    const sends = await atOnce(50, (index) => (flows[index] as Flow).call('POST', '/codes', { channel: 'email' }));
    assert.deepEqual(sends.statuses, { 202: 50 });
    await codeFor(system.ready.outboxUrl, 'one.person@example.net', 50);
    const mails = (await allMessages(system.ready.outboxUrl)) as { messageId?: string; code?: string }[];
    const { answers, statuses } = await atOnce(50, async (index) => {
      const flow = flows[index] as Flow;
      return flow.call('PUT', '/code', { code: mails.find(({ messageId }) => messageId?.includes(flow.id))?.code });
    });
    assert.deepEqual(statuses, { 200: 1, 409: 49 });
    const winner = answers.find(({ status }) => status === 200)?.body;
    assert.equal(winner.state, 'completed');
    for (const { status, body } of answers) {
      if (status === 409) assert.equal(body.error, 'This name, number or address has an account');
    }
    assert.deepEqual(await behind.accountsOf('one'), [winner.userId]);
    assert.equal(await behind.database.collection('users').countDocuments({ _id: winner.userId }), 1);
    const owners = await behind.database.collection('claims').distinct('userId');
    assert.ok(owners.filter((owner) => owner === winner.userId).length === 1);
    const states = await Promise.all(flows.map(async (flow) => (await flow.call('GET', '')).body.state));
    assert.equal(states.filter((state) => state === 'rejected').length, 49);
  });
});
