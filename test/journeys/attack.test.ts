/**
 * An attack on a whole system, seen by security: the events go the real way through Redis and the role `audit`, the alert
 * rules are replayed over what arrived, and the picture of the security dashboard shows it.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { connectElastic, type Elastic } from '../../adapters/elastic/connect.ts';
import type { System } from '../../engines/system.ts';
import { alerts } from '../../kibana/alerts.ts';
import { type Events, openEvents } from '../../kibana/events.ts';
import { type Firing, firings } from '../../kibana/firings.ts';
import { pageOf } from '../../kibana/pictures.ts';
import { readSavedObjects } from '../../kibana/saved-object.ts';
import { type Flow, messagesTo, solveCaptcha, startFlow } from '../support/client.ts';
import { startTestSystem } from '../support/engines.ts';
import { must, phoneOf, wrongCode } from '../support/flows.ts';
import { connectStores, type Stores } from '../support/stores.ts';
import { until } from '../support/until.ts';

const minuteMs = 60_000;
/** Addresses of documentation (RFC 5737), one for each kind of attack. */
const attackers = {
  sprayer: '203.0.113.1',
  brute: '203.0.113.2',
  guesser: '203.0.113.3',
  pumper: '203.0.113.4',
  hammer: '203.0.113.5',
};
const honest = '198.51.100.7';

let system: System;
let stores: Stores;
let elastic: Elastic;
let events: Events;
let url: string;
const begin = Date.now();
let ended: number;

before(async () => {
  system = await startTestSystem({
    elasticsearch: true,
    env: { CAPTCHA_COST: '2', OTP_RESEND_WAITS: '1', TRUST_PROXY: '127.0.0.1' },
  });
  stores = await connectStores(system);
  url = system.ready.apiUrl;
  const { ELASTICSEARCH_URL: elasticsearchUrl = '', AUDIT_INDEX: prefix } = system.processes.env('audit');
  elastic = connectElastic({ url: elasticsearchUrl });
  events = openEvents(elastic, `${prefix}-*`);
  await register(730);
  await Promise.all([spray(), useBruteForce(), guessCodes(), pumpCodes(), hammerLimits()]);
  await register(731);
  ended = Date.now();
  await until(async () => (await stores.redis.xlen('audit')) === 0);
  await elastic.indices.refresh({ index: `${prefix}-*` });
});
after(async () => {
  await elastic?.close();
  await stores?.[Symbol.asyncDispose]();
  await system?.stop();
});

const from = (address: string) => ({ 'X-Forwarded-For': address });
const tryPassword = (flow: Flow, username: string, password: string, address: string) =>
  flow.call('PUT', '/directory', { username, password }, from(address));

/** A name each, below every limit on a name. */
async function spray(): Promise<void> {
  for (let person = 740; person < 752; person++) {
    const flow = await startFlow(url, {}, from(attackers.sprayer));
    await must(tryPassword(flow, `person${person}`, 'Spring-2026!', attackers.sprayer), 401);
  }
}

/** Four names, every try that they have. */
async function useBruteForce(): Promise<void> {
  for (let person = 760; person < 764; person++) {
    const flow = await startFlow(url, {}, from(attackers.brute));
    for (let turn = 0; turn < 5; turn++) {
      await must(tryPassword(flow, `person${person}`, `Guess-${turn}!`, attackers.brute), 401);
    }
  }
}

/** Every try of a code. */
async function guessCodes(): Promise<void> {
  const flow = await flowWithSend(732, attackers.guesser);
  await until(async () => (await messagesTo(system.ready.outboxUrl, phoneOf(732))).length > 0);
  const [message] = await messagesTo(system.ready.outboxUrl, phoneOf(732));
  for (let turn = 1; turn <= 5; turn++) {
    const code = wrongCode(message?.code ?? '', turn);
    await must(flow.call('PUT', '/code', { code }, from(attackers.guesser)), 400);
  }
}

async function pumpCodes(): Promise<void> {
  for (let person = 770; person < 800; person++) await flowWithSend(person, attackers.pumper);
}

/** On and on after the limit has said no. */
async function hammerLimits(): Promise<void> {
  const flow = await startFlow(url, {}, from(attackers.hammer));
  for (let turn = 0; turn < 5; turn++) await tryPassword(flow, 'person733', `Guess-${turn}!`, attackers.hammer);
  for (let turn = 0; turn < 50; turn++) await must(tryPassword(flow, 'person733', 'Guess!', attackers.hammer), 429);
}

async function flowWithSend(person: number, address: string): Promise<Flow> {
  const flow = await startFlow(url, {}, from(address));
  const name = String(person).padStart(3, '0');
  await must(tryPassword(flow, `person${name}`, `person-${name}`, address));
  await must(flow.call('PUT', '/captcha', await solveCaptcha(url), from(address)));
  await must(flow.call('POST', '/codes', { channel: 'sms' }, from(address)), 202);
  return flow;
}

/** Somebody honest, who mistypes once. */
async function register(person: number): Promise<void> {
  const mistyped = await startFlow(url, {}, from(honest));
  await must(tryPassword(mistyped, `person${person}`, 'mistyped', honest), 401);
  const flow = await flowWithSend(person, honest);
  await until(async () => (await messagesTo(system.ready.outboxUrl, phoneOf(person))).length > 0);
  const [message] = await messagesTo(system.ready.outboxUrl, phoneOf(person));
  await must(flow.call('PUT', '/code', { code: message?.code }, from(honest)));
  await must(flow.call('PUT', '/credentials', { password: 'plum-otter-cello-73' }, from(honest)));
}

/** Every alert over the attack; a rule looks once a minute, so it may see it up to a window later. */
async function replay(): Promise<Firing[]> {
  const range = [new Date(begin - 20 * minuteMs).toISOString(), new Date(ended + 20 * minuteMs).toISOString()] as const;
  // silence is about a time without events, of which a test that has just started has many
  const rules = alerts.filter(({ threshold }) => threshold > 0);
  return (await Promise.all(rules.map((alert) => firings(alert, events.search, ...range)))).flat();
}

describe('An attack', () => {
  it('fires each alert it should, once, with the right address, and no other', async () => {
    const fired = await replay();
    const byName = (name: string) => fired.filter(({ alert }) => alert === name).map(({ group }) => group);
    assert.deepEqual(byName('Password spraying from one address'), [attackers.sprayer]);
    assert.deepEqual(byName('Brute force from one address'), [attackers.brute]);
    assert.deepEqual(byName('Pumping of codes from one address'), [attackers.pumper]);
    assert.deepEqual(byName('Burst of refusals by limits'), ['all']);
    assert.equal(byName('Guessing of codes').length, 1);
    // four names of the brute force, one of the hammer
    const names = byName('Many wrong passwords for one name');
    assert.deepEqual([names.length, new Set(names).size], [5, 5]);
    assert.equal(fired.length, 10, JSON.stringify(fired));
  });

  it('is on the picture of the security dashboard within a minute', async () => {
    const begun = Date.now();
    const objects = readSavedObjects(readFileSync(new URL('../../kibana/vyry.ndjson', import.meta.url), 'utf8'));
    const pages = objects.filter(({ type }) => type === 'dashboard');
    const security = pages.find(({ attributes }) => /security/i.test(String(attributes.title)));
    assert.ok(security);
    const range = { from: new Date(begin - minuteMs).toISOString(), to: new Date(Date.now() + minuteMs).toISOString() };
    const page = await pageOf(security, objects, events, range);
    assert.ok(page.includes(attackers.hammer), 'who hammers at a limit');
    assert.ok(page.includes('directory-tries'));
    assert.ok(
      Date.now() - ended < minuteMs,
      `${Date.now() - ended} ms after the attack, ${Date.now() - begun} for the page`,
    );
  });
});
