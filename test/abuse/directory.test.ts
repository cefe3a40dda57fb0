// @rerun never
/** Attacks on the passwords of the company directory, with the item ids of the fault list. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { System } from '../../engines/system.ts';
import { type Answer, call, codeFor, startRegistration } from '../support/client.ts';
import { holdToContract } from '../support/contract.ts';
import { signedIn } from '../support/people.ts';
import { assertLimited, type Behind, goodPassword, lookBehind, must, passCaptcha } from '../support/registrations.ts';
import { startTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

let system: System;
let behind: Behind;
let url: string;

before(async () => {
  const env = { CAPTCHA_COST: '2', TRUST_PROXY: '127.0.0.1', LIMIT_WRONG_PASSWORDS_PER_ADDRESS: '8/3600' };
  system = await startTestSystem({ env });
  behind = await lookBehind(system);
  url = system.ready.apiUrl;
  await holdToContract(url);
});
after(async () => {
  await behind?.[Symbol.asyncDispose]();
  await system?.stop();
});

const from = (address: string) => ({ 'X-Forwarded-For': address });

async function tryAs(username: string, password: string, address: string) {
  const registration = await startRegistration(url, {}, from(address));
  return registration.call('PUT', '/directory', { username, password }, from(address));
}

const logIn = (identifier: string, password: string, address: string) =>
  call(url, 'POST', '/api/v1/auth/login', { body: { identifier, password }, headers: from(address) });

describe('the directory', () => {
  it('F1: counts the wrong passwords of a name in every spelling', async () => {
    for (const name of ['person200', 'Person200 ', ' person200', 'ｐｅｒｓｏｎ200', 'pérson200']) {
      await must(tryAs(name, 'wrong', '203.0.113.10'), 401);
    }
    for (const name of ['person200 ', 'person200']) {
      assertLimited(await tryAs(name, 'person-200', '203.0.113.11'), 'directory-tries', 900);
    }
  });

  it('F10: refuses a source that tries one password for many people, at registrations and log-ins together', async () => {
    for (let person = 210; person < 216; person++) await must(tryAs(`person${person}`, 'wrong', '203.0.113.20'), 401);
    for (let person = 216; person < 218; person++) await must(logIn(`person${person}`, 'wrong', '203.0.113.20'), 401);
    const limit = 'wrong-passwords-per-address';
    assertLimited(await tryAs('person218', 'person-218', '203.0.113.20'), limit, 3600);
    assertLimited(await logIn('person219', 'wrong', '203.0.113.20'), limit, 3600);
    await must(tryAs('person218', 'person-218', '203.0.113.21'));
  });

  it('F14: opens the credentials again when its entry shows that the password is a word of the user', async () => {
    const { outboxUrl } = system.ready;
    const registration = await startRegistration(url);
    await must(registration.call('PUT', '/credentials', { password: 'person231@example.org', pin: '830571' }));
    const entry = { username: 'person231', password: 'person-231' };
    const stepOf = ({ body }: Answer) => body.steps.find(({ name }: { name: string }) => name === 'credentials');
    const reopened = { name: 'credentials', status: 'open', reason: 'own-word' };
    assert.deepEqual(stepOf(await must(registration.call('PUT', '/directory', entry))), reopened);
    assert.deepEqual(stepOf(await must(registration.call('PUT', '/directory', entry))), reopened, 'a repeat');
    await passCaptcha(url, registration);
    await must(registration.call('POST', '/codes', { channel: 'email' }), 202);
    const code = await codeFor(outboxUrl, 'person231@example.org');
    assert.equal((await must(registration.call('PUT', '/code', { code }))).body.state, 'pending');
    const late = await registration.call('PUT', '/credentials', { password: 'person231@example.org' });
    assert.equal(late.status, 400);
    const { body } = await must(registration.call('PUT', '/credentials', { password: goodPassword }));
    assert.equal(body.state, 'completed');
  });

  it('F10: does not count right passwords of a source', async () => {
    for (let person = 220; person < 230; person++) {
      await must(tryAs(`person${person}`, `person-${person}`, '203.0.113.30'));
    }
  });

  it('F17: is asked at a log-in also when the tries of the name are used up, as for an unknown name', async () => {
    await signedIn(system, 230);
    for (let turn = 0; turn < 5; turn++) await must(tryAs('person230', 'wrong', '203.0.113.40'), 401);
    const asked = async () => (await behind.temporal.workflow.count("WorkflowType = 'directoryLogIn'")).count;
    const before = await asked();
    for (const name of ['person230', 'nobody-at-all']) await must(logIn(name, 'person-230', '203.0.113.41'), 401);
    await until(async () => (await asked()) === before + 2);
  });
});
