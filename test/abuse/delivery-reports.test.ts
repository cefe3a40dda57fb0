// @rerun never
/** Delivery reports that are forged, replayed or for another message: case B13 of the abuse catalogue. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { demoTwilio } from '../../engines/engines.ts';
import type { TriedReport } from '../../engines/fakes/delivery-reports.ts';
import { codeFor, type RegistrationHandle, startRegistration } from '../support/client.ts';
import { postReport, reportEventsOf, reportsTo } from '../support/delivery-reports.ts';
import { setFault } from '../support/faults.ts';
import { must, startAnotherApi } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

type Provider = 'twilio' | 'infobip';

let people = 100;

const { system, behind } = await withSystem({
  REGISTRATION_STEPS: 'code',
  INFOBIP_API_KEY: 'fake',
  INFOBIP_FROM: 'Vyry',
});

/** A registration whose message a provider delivered, with the delivery report about it. */
async function messageBy(provider: Provider): Promise<{ registration: RegistrationHandle; report: TriedReport }> {
  const { apiUrl, outboxUrl } = system.ready;
  const mode = provider === 'infobip' ? 'error500' : 'none';
  await setFault(outboxUrl, { channel: 'sms', provider: 'twilio', mode });
  const phone = `+447700900${people++}`;
  const registration = await startRegistration(apiUrl, { phone });
  await must(registration.call('POST', '/codes', { channel: 'sms' }), 202);
  await codeFor(outboxUrl, phone);
  const reports = () => reportsTo(outboxUrl, `${apiUrl}/api/v1/delivery-reports/${provider}`);
  await until(async () => (await reportEventsOf(behind, registration.id)).length === 1);
  const report = (await reports()).findLast(({ stage }) => stage === 'delivered');
  assert.ok(report);
  return { registration, report };
}

/** The delivery state of a registration, from every place that stores it. */
async function stateOf({ id }: RegistrationHandle): Promise<unknown> {
  return [
    await reportEventsOf(behind, id),
    await behind.redis.hgetall(`reports:{${id}}:register`),
    await behind.versionOf(id),
  ];
}

async function assertRefused(
  registration: RegistrationHandle,
  forged: Pick<TriedReport, 'url' | 'headers' | 'body'>,
  status = 401,
) {
  const before = await stateOf(registration);
  const answer = await postReport(forged);
  assert.equal(answer.status, status, answer.text);
  assert.deepEqual(await stateOf(registration), before);
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

describe('B13: a delivery report', () => {
  it('from Twilio is refused when unsigned, changed, signed by another account, or moved to another message', async () => {
    const [{ registration, report }, other] = [await messageBy('twilio'), await messageBy('twilio')];
    const { url, headers, body } = report;
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    await assertRefused(registration, { url, headers: type, body });
    await assertRefused(registration, { url, headers: { ...type, 'x-twilio-signature': 'bm90IHRoZWlycw==' }, body });
    await assertRefused(registration, { url, headers, body: undelivered(body) });
    await assertRefused(registration, { url, headers: signed('the-token-of-somebody-else', url, body), body });
    await assertRefused(registration, { ...other.report, url });
    await assertRefused(other.registration, { ...report, url: other.report.url });
    await assertRefused(registration, { url: url.replace('/twilio', '/infobip'), headers, body }, 415);
  });

  it('from Infobip is refused at a forged callback URL, whatever it contains', async () => {
    const { registration, report } = await messageBy('infobip');
    const [address = '', encrypted = ''] = report.url.split('?of=');
    const { report: byTwilio } = await messageBy('twilio');
    const last = encrypted.at(-2) === 'A' ? 'B' : 'A';
    for (const of of [
      `${encrypted.slice(0, -2)}${last}${encrypted.at(-1)}`,
      encrypted.slice(0, -4),
      encrypted.split('.')[1],
      byTwilio.url.split('?of=')[1],
      '',
      'x'.repeat(3000),
    ]) {
      await assertRefused(registration, {
        ...report,
        url: `${address}?of=${of}`,
        body: report.body.replaceAll('DELIVERED', 'REJECTED'),
      });
    }
    await assertRefused(registration, { ...report, url: address });
  });

  it('from Infobip at the callback URL of another message changes neither message', async () => {
    const [one, other] = [await messageBy('infobip'), await messageBy('infobip')];
    const before = [await stateOf(one.registration), await stateOf(other.registration)];
    assert.deepEqual(await postReport({ ...one.report, url: other.report.url }), { status: 204, text: '' });
    assert.deepEqual([await stateOf(one.registration), await stateOf(other.registration)], before);
  });

  it('that is replayed, or contradicts the first, is acknowledged and changes nothing', async () => {
    const twilio = await messageBy('twilio');
    const infobip = await messageBy('infobip');
    const before = [await stateOf(twilio.registration), await stateOf(infobip.registration)];
    const { url, body } = twilio.report;
    const contradiction = {
      url,
      headers: signed(demoTwilio.authToken, url, undelivered(body)),
      body: undelivered(body),
    };
    const rejection = infobip.report.body.replaceAll('DELIVERED', 'REJECTED');
    for (const replayed of [twilio.report, infobip.report, contradiction, { ...infobip.report, body: rejection }]) {
      for (let time = 0; time < 5; time++) {
        assert.deepEqual(await postReport(replayed), { status: 204, text: '' });
      }
    }
    assert.deepEqual([await stateOf(twilio.registration), await stateOf(infobip.registration)], before);
  });

  it('for an unknown message, signed by Twilio, is acknowledged like any other', async () => {
    const { report } = await messageBy('twilio');
    const url = `${report.url.split('?')[0]}?of=unknown`;
    const foreign = { url, headers: signed(demoTwilio.authToken, url, report.body), body: report.body };
    assert.deepEqual(await postReport(foreign), { status: 204, text: '' });
  });

  it('that is malformed or too large is refused', async () => {
    const { registration, report } = await messageBy('infobip');
    const json = (value: unknown) => ({ ...report, body: JSON.stringify(value) });
    const many = Array.from({ length: 101 }, () => JSON.parse(report.body).results[0]);
    for (const malformed of [json(null), json({}), json({ results: [] }), json({ results: many }), json([1])]) {
      await assertRefused(registration, malformed, 400);
    }
    await assertRefused(registration, { ...report, body: '{' }, 400);
    await assertRefused(registration, { ...report, body: `"${'x'.repeat(300_000)}"` }, 413);
    const { registration: byTwilio, report: form } = await messageBy('twilio');
    await assertRefused(byTwilio, { ...form, body: `${form.body}&${form.body}` }, 400);
    await assertRefused(byTwilio, { ...form, body: `${form.body}&x=${'x'.repeat(300_000)}` }, 413);
    await assertRefused(byTwilio, { ...form, headers: { 'content-type': 'application/json' }, body: '{}' }, 415);
  });

  it('that is forged is limited like any request, and audited; a genuine one is not limited', async () => {
    const { registration, report } = await messageBy('twilio');
    const limited = await startAnotherApi(system, { LIMIT_REQUESTS_PER_ADDRESS: '3/3600' });
    const url = report.url.replace(system.ready.apiUrl, limited.apiUrl);
    const forged = { url, headers: { ...report.headers, 'x-twilio-signature': 'Zm9yZ2Vk' }, body: report.body };
    const before = await stateOf(registration);
    // how many requests this address has left depends on the earlier tests
    const statuses: number[] = [];
    while (statuses.at(-1) !== 429 && statuses.length < 5) statuses.push((await postReport(forged)).status);
    assert.equal(statuses.at(-1), 429);
    assert.deepEqual(await stateOf(registration), before);
    for (let time = 0; time < 10; time++) assert.equal((await postReport({ ...report, url })).status, 204);
    await until(async () => {
      const auditLog = JSON.stringify(await behind.redis.xrange('audit', '-', '+'));
      return auditLog.includes('access-denied') && auditLog.includes('/api/v1/delivery-reports/twilio');
    });
    const metrics = await (await fetch(`${limited.apiUrl}/metrics`)).text();
    assert.match(
      metrics,
      /^vyry_delivery_reports_total\{channel="none",provider="twilio",country="none",outcome="refused"\} [1-5]$/m,
    );
    assert.match(
      metrics,
      /^vyry_delivery_reports_total\{channel="sms",provider="twilio",country="\+44",outcome="repeated"\} 10$/m,
    );
    await limited.stop();
  });
});
