// @rerun never
/** Delivery receipts that no provider wrote, or not for this message: case B13 of the abuse catalogue. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { demoTwilio } from '../../engines/engines.ts';
import type { TriedReceipt } from '../../engines/stand-ins/receipts.ts';
import type { System } from '../../engines/system.ts';
import { codeFor, type Flow, startFlow } from '../support/client.ts';
import { setFault } from '../support/faults.ts';
import { type Behind, lookBehind, must, startAnotherApi } from '../support/flows.ts';
import { postReceipt, receiptEventsOf, receiptsTo } from '../support/receipts.ts';
import { startTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

type Provider = 'twilio' | 'infobip';

let system: System;
let behind: Behind;
let people = 100;

before(async () => {
  system = await startTestSystem({
    env: { REGISTRATION_STEPS: 'code', INFOBIP_API_KEY: 'stand-in', INFOBIP_FROM: 'Vyry' },
  });
  behind = await lookBehind(system);
});
after(async () => {
  await behind?.[Symbol.asyncDispose]();
  await system?.stop();
});

/** A registration whose message a provider took, with the receipt it was told of, which was delivered. */
async function messageBy(provider: Provider): Promise<{ flow: Flow; receipt: TriedReceipt }> {
  const { apiUrl, outboxUrl } = system.ready;
  const mode = provider === 'infobip' ? 'error500' : 'none';
  await setFault(outboxUrl, { channel: 'sms', provider: 'twilio', mode });
  const phone = `+447700900${people++}`;
  const flow = await startFlow(apiUrl, { phone });
  await must(flow.call('POST', '/codes', { channel: 'sms' }), 202);
  await codeFor(outboxUrl, phone);
  const receipts = () => receiptsTo(outboxUrl, `${apiUrl}/api/v1/receipts/${provider}`);
  await until(async () => (await receiptEventsOf(behind, flow.id)).length === 1);
  const receipt = (await receipts()).findLast(({ stage }) => stage === 'delivered');
  assert.ok(receipt);
  return { flow, receipt };
}

/** What a registration knows of its messages, wherever it is kept. */
async function stateOf({ id }: Flow): Promise<unknown> {
  return [
    await receiptEventsOf(behind, id),
    await behind.redis.hgetall(`receipts:{${id}}:register`),
    await behind.versionOf(id),
  ];
}

async function assertRefused(flow: Flow, forged: Pick<TriedReceipt, 'url' | 'headers' | 'body'>, status = 401) {
  const before = await stateOf(flow);
  const answer = await postReceipt(forged);
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(await stateOf(flow), before);
}

const undelivered = (body: string) => body.replaceAll(/delivered/g, 'undelivered');
const signed = (token: string, url: string, body: string): Record<string, string> => {
  const params = Object.entries(Object.fromEntries(new URLSearchParams(body))).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = params.reduce((all, [name, value]) => all + name + value, url);
  return {
    'content-type': 'application/x-www-form-urlencoded',
    'x-twilio-signature': createHmac('sha1', token).update(text).digest('base64'),
  };
};

describe('B13: a delivery receipt', () => {
  it('of Twilio is refused unsigned, changed, signed by another account, or moved to another message', async () => {
    const [{ flow, receipt }, other] = [await messageBy('twilio'), await messageBy('twilio')];
    const { url, headers, body } = receipt;
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    await assertRefused(flow, { url, headers: type, body });
    await assertRefused(flow, { url, headers: { ...type, 'x-twilio-signature': 'bm90IHRoZWlycw==' }, body });
    await assertRefused(flow, { url, headers, body: undelivered(body) });
    await assertRefused(flow, { url, headers: signed('the-token-of-somebody-else', url, body), body });
    await assertRefused(flow, { ...other.receipt, url });
    await assertRefused(other.flow, { ...receipt, url: other.receipt.url });
    await assertRefused(flow, { url: url.replace('/twilio', '/infobip'), headers, body }, 415);
  });

  it('of Infobip is refused at an address that we did not make, whatever it says', async () => {
    const { flow, receipt } = await messageBy('infobip');
    const [address = '', sealed = ''] = receipt.url.split('?of=');
    const { receipt: byTwilio } = await messageBy('twilio');
    const last = sealed.at(-2) === 'A' ? 'B' : 'A';
    for (const of of [
      `${sealed.slice(0, -2)}${last}${sealed.at(-1)}`,
      sealed.slice(0, -4),
      sealed.split('.')[1],
      byTwilio.url.split('?of=')[1],
      '',
      'x'.repeat(3000),
    ]) {
      await assertRefused(flow, {
        ...receipt,
        url: `${address}?of=${of}`,
        body: receipt.body.replaceAll('DELIVERED', 'REJECTED'),
      });
    }
    await assertRefused(flow, { ...receipt, url: address });
  });

  it('of Infobip for another message changes neither', async () => {
    const [one, other] = [await messageBy('infobip'), await messageBy('infobip')];
    const before = [await stateOf(one.flow), await stateOf(other.flow)];
    assert.deepEqual(await postReceipt({ ...one.receipt, url: other.receipt.url }), { status: 204, text: '' });
    assert.deepEqual([await stateOf(one.flow), await stateOf(other.flow)], before);
  });

  it('that is replayed, or contradicts the first, is answered and changes nothing', async () => {
    const twilio = await messageBy('twilio');
    const infobip = await messageBy('infobip');
    const before = [await stateOf(twilio.flow), await stateOf(infobip.flow)];
    const { url, body } = twilio.receipt;
    const contradiction = {
      url,
      headers: signed(demoTwilio.authToken, url, undelivered(body)),
      body: undelivered(body),
    };
    const rejection = infobip.receipt.body.replaceAll('DELIVERED', 'REJECTED');
    for (const replayed of [twilio.receipt, infobip.receipt, contradiction, { ...infobip.receipt, body: rejection }]) {
      for (let time = 0; time < 5; time++) {
        assert.deepEqual(await postReceipt(replayed), { status: 204, text: '' });
      }
    }
    assert.deepEqual([await stateOf(twilio.flow), await stateOf(infobip.flow)], before);
  });

  it('of no message of ours, though Twilio signed it, is answered as any other', async () => {
    const { receipt } = await messageBy('twilio');
    const url = `${receipt.url.split('?')[0]}?of=unknown`;
    const foreign = { url, headers: signed(demoTwilio.authToken, url, receipt.body), body: receipt.body };
    assert.deepEqual(await postReceipt(foreign), { status: 204, text: '' });
  });

  it('that is malformed or too large is refused', async () => {
    const { flow, receipt } = await messageBy('infobip');
    const json = (value: unknown) => ({ ...receipt, body: JSON.stringify(value) });
    const many = Array.from({ length: 101 }, () => JSON.parse(receipt.body).results[0]);
    for (const malformed of [json(null), json({}), json({ results: [] }), json({ results: many }), json([1])]) {
      await assertRefused(flow, malformed, 400);
    }
    await assertRefused(flow, { ...receipt, body: '{' }, 400);
    await assertRefused(flow, { ...receipt, body: `"${'x'.repeat(300_000)}"` }, 413);
    const { flow: byTwilio, receipt: form } = await messageBy('twilio');
    await assertRefused(byTwilio, { ...form, body: `${form.body}&${form.body}` }, 400);
    await assertRefused(byTwilio, { ...form, body: `${form.body}&x=${'x'.repeat(300_000)}` }, 413);
    await assertRefused(byTwilio, { ...form, headers: { 'content-type': 'application/json' }, body: '{}' }, 415);
  });

  it('that is forged is limited as any request, and audited; one that is real is not limited', async () => {
    const { flow, receipt } = await messageBy('twilio');
    const limited = await startAnotherApi(system, { LIMIT_REQUESTS_PER_ADDRESS: '3/3600' });
    const url = receipt.url.replace(system.ready.apiUrl, limited.apiUrl);
    const forged = { url, headers: { ...receipt.headers, 'x-twilio-signature': 'Zm9yZ2Vk' }, body: receipt.body };
    const before = await stateOf(flow);
    // how many are left to this address depends on the tests before
    const statuses: number[] = [];
    while (statuses.at(-1) !== 429 && statuses.length < 5) statuses.push((await postReceipt(forged)).status);
    assert.equal(statuses.at(-1), 429);
    assert.deepEqual(await stateOf(flow), before);
    for (let time = 0; time < 10; time++) assert.equal((await postReceipt({ ...receipt, url })).status, 204);
    await until(async () => {
      const trail = JSON.stringify(await behind.redis.xrange('audit', '-', '+'));
      return trail.includes('access-denied') && trail.includes('/api/v1/receipts/twilio');
    });
    const metrics = await (await fetch(`${limited.apiUrl}/metrics`)).text();
    assert.match(
      metrics,
      /^vyry_delivery_receipts_total\{channel="none",provider="twilio",country="none",outcome="refused"\} [1-5]$/m,
    );
    assert.match(
      metrics,
      /^vyry_delivery_receipts_total\{channel="sms",provider="twilio",country="\+44",outcome="repeated"\} 10$/m,
    );
    await limited.stop();
  });
});
