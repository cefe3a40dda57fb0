import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connectElastic } from '../../adapters/elastic/connect.ts';
import { type Alert, alerts } from '../../kibana/alerts.ts';
import { firings } from '../../kibana/firings.ts';
import { incidents, sampleDay } from '../../kibana/sample-day.ts';
import { type SampleIndex, storeSample } from '../../kibana/sample-index.ts';
import { testEngines } from '../support/engines.ts';

const elastic = connectElastic({ url: testEngines().elasticsearchUrl ?? '', timeoutMs: 600_000 });
let sample: SampleIndex;

before(async () => {
  sample = await storeSample(elastic);
});
after(async () => {
  await sample[Symbol.asyncDispose]();
  await elastic.close();
});

const begin = Date.parse(sampleDay.from);
const instant = (minute: number) => new Date(begin + minute * 60_000).toISOString();
const replay = (alert: Alert, { from, to } = sampleDay) => firings(alert, sample.events.search, from, to);

function named(name: keyof typeof incidents): Alert {
  const alert = alerts.find((candidate) => candidate.name === name);
  assert.ok(alert);
  return alert;
}

describe('The alerts on a day of events', () => {
  it('fire once each, during the incident they are made for', async () => {
    assert.deepEqual(alerts.map(({ name }) => name).sort(), Object.keys(incidents).sort());
    for (const alert of alerts) {
      const [firing, ...others] = await replay(alert);
      assert.deepEqual(others, [], alert.name);
      assert.ok(firing, `${alert.name} did not fire`);
      const { from, to } = incidents[alert.name as keyof typeof incidents];
      assert.ok(
        firing.from >= instant(from) && firing.from <= instant(to + 1),
        `${alert.name} fired at ${firing.from}`,
      );
      assert.ok(firing.to <= instant(to + alert.windowMinutes + 1), `${alert.name} fired until ${firing.to}`);
    }
  });
});

describe('firings()', () => {
  it('fires at the threshold and not one event below', async () => {
    const alert = named('Pumping of codes from one address');
    const [{ count } = { count: 0 }] = await replay(alert);
    assert.equal(count, 36);
    assert.equal((await replay({ ...alert, threshold: 36 })).length, 1);
    assert.deepEqual(await replay({ ...alert, threshold: 37 }), []);
  });

  it('counts distinct values instead of events', async () => {
    const alert = named('Password spraying from one address');
    const [firing] = await replay({ ...alert, distinct: { field: 'user.hash', threshold: 14 } });
    assert.equal(firing?.count, 14);
    assert.deepEqual(await replay({ ...alert, distinct: { field: 'user.hash', threshold: 15 } }), []);
  });

  it('fires again after a pause, and separately for each group', async () => {
    const { distinct: _distinct, ...ungrouped } = named('Password spraying from one address');
    const addresses = (await replay(ungrouped)).map(({ group }) => group);
    assert.deepEqual(addresses.sort(), ['198.51.100.23', '198.51.100.66']);
    const { by: _by, ...together } = { ...named('Failed log-ins of operators'), threshold: 1 };
    assert.equal((await replay(together)).length, 2);
  });

  it('ignores a short outage where several consecutive checks are required', async () => {
    const alert = named('A dependency stays unavailable');
    const { checks: _checks, ...impatient } = alert;
    assert.deepEqual((await replay(impatient)).map(({ group }) => group).sort(), ['directory', 'sms']);
    assert.deepEqual(
      (await replay(alert)).map(({ group }) => group),
      ['directory'],
    );
  });
});
