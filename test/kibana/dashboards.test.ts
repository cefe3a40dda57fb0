import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connectElastic } from '../../adapters/elastic/connect.ts';
import { type AuditAction, type AuditEvent, auditActions } from '../../domain/audit.ts';
import { builtFiles } from '../../kibana/build.ts';
import { eventProblems } from '../../kibana/check-events.ts';
import { structureProblems } from '../../kibana/check-structure.ts';
import { drawSearch, escaped } from '../../kibana/drawings.ts';
import { pageOf } from '../../kibana/pictures.ts';
import { layerOf, type Row, runLens, runSearch } from '../../kibana/run-panel.ts';
import { attackers, sampleDay } from '../../kibana/sample-day.ts';
import { type SampleIndex, storeSample } from '../../kibana/sample-index.ts';
import {
  type Column,
  controlsOf,
  type Layer,
  type Lens,
  panelsOf,
  readSavedObjects,
  type SavedObject,
  type StoredPanel,
} from '../../kibana/saved-object.ts';
import { testEngines } from '../support/engines.ts';

const file = builtFiles()['vyry.ndjson'] ?? '';
const objects = readSavedObjects(file);
const elastic = connectElastic({ url: testEngines().elasticsearchUrl ?? '', timeoutMs: 600_000 });
let sample: SampleIndex;
let documents: AuditEvent[];

before(async () => {
  sample = await storeSample(elastic);
  documents = sample.documents;
});
after(async () => {
  await sample[Symbol.asyncDispose]();
  await elastic.close();
});

function lensOf(dashboard: string, title: string): Lens {
  const object = objects.find(({ type, id }) => type === 'dashboard' && id === dashboard);
  assert.ok(object, dashboard);
  const lens = panelsOf(object).find((panel) => panel.title === title)?.embeddableConfig.attributes;
  assert.ok(lens, `${dashboard} has no panel ${title}`);
  return lens;
}

/** Rows of a panel by its column labels, as Kibana shows them. */
async function shown(dashboard: string, title: string): Promise<Row[]> {
  const lens = lensOf(dashboard, title);
  const columns = Object.entries(layerOf(lens).columns).filter(([id]) => !id.includes('X'));
  const { rows } = await runLens(lens, sample.events, sampleDay);
  return rows.map((row) => Object.fromEntries(columns.map(([id, { label }]) => [label, row[id] ?? null])));
}

async function number(dashboard: string, title: string): Promise<unknown> {
  return Object.values((await shown(dashboard, title))[0] ?? {})[0];
}

const having = (...actions: AuditAction[]) => documents.filter(({ action }) => actions.includes(action));
const isFailure = ({ status }: AuditEvent) => status === 'failure';
const isSuccess = ({ status }: AuditEvent) => status === 'success';
const isAttempt = ({ event }: AuditEvent) => event.category.includes('authentication') && event.type.includes('start');
const statusOf = ({ http }: AuditEvent) => http?.response?.status_code ?? 0;
const isLockOut = ({ event }: AuditEvent) => event.reason === 'locked';
const different = (values: unknown[]) => new Set(values.filter((value) => value !== undefined)).size;

function countBy(events: AuditEvent[], keyOf: (event: AuditEvent) => string | number | undefined): [string, number][] {
  const counts = new Map<string, number>();
  for (const event of events) {
    const key = keyOf(event);
    if (key !== undefined) counts.set(String(key), (counts.get(String(key)) ?? 0) + 1);
  }
  return [...counts].sort(([a, x], [b, y]) => y - x || a.localeCompare(b));
}

/** The rows of a panel with one group and one count, in the form of `countBy`. */
async function shownCounts(dashboard: string, title: string): Promise<[string, number][]> {
  const rows = (await shown(dashboard, title)).map((row) => Object.values(row));
  const counts = rows.map(([key, count]): [string, number] => [String(key), Number(count)]);
  return counts.sort(([a, x], [b, y]) => y - x || a.localeCompare(b));
}

describe('The dashboards on a day of events', () => {
  it('use only existing fields of the right type and values that occur, and show data in every panel', async () => {
    assert.deepEqual(await eventProblems(file, sample.events, sampleDay), []);
  });

  it('are tested with every audit action', () => {
    assert.deepEqual([...new Set(documents.map(({ action }) => action))].sort(), Object.keys(auditActions).sort());
  });

  it('show the right figures for authentication attempts', async () => {
    const tried = documents.filter(isAttempt);
    const failed = tried.filter(isFailure);
    const id = 'vyry-authentication';
    assert.equal(await number(id, 'Attempts'), tried.length);
    assert.equal(await number(id, 'Failed attempts'), failed.length);
    assert.equal(await number(id, 'Failure rate'), failed.length / tried.length);
    assert.equal(
      await number(id, 'Names tried'),
      different(having('login', 'ldap-login').map(({ user }) => user?.hash)),
    );
    assert.equal(await number(id, 'Lock-outs'), documents.filter(isLockOut).length);
    assert.equal(await number(id, 'Refused by a limit'), having('rate-limited').length);
    assert.deepEqual(
      await shownCounts(id, 'Why attempts failed'),
      countBy(failed, ({ event }) => event.reason),
    );
    const [worst] = await shown(id, 'Addresses with failures');
    const fromThere = tried.filter(({ ip }) => ip === attackers.bruteForce);
    assert.deepEqual(worst, {
      Address: attackers.bruteForce,
      Failures: fromThere.filter(isFailure).length,
      Names: different(fromThere.map(({ user }) => user?.hash)),
      Successes: 0,
      'Last attempt': Math.max(...fromThere.map(({ timestamp }) => Date.parse(timestamp))),
    });
    const bars = await shown(id, 'Attempts by outcome');
    assert.equal(bars.length, 2 * 48);
    const firstHalfHour = tried.filter(
      ({ timestamp }) => timestamp < '2026-03-02T12:30' && timestamp >= sampleDay.from,
    );
    const begin = Date.parse(sampleDay.from);
    const shownThere = bars.filter(({ Time }) => Time === begin).map(({ Events }) => Number(Events));
    assert.equal(
      shownThere.reduce((a, b) => a + b),
      firstHalfHour.length,
    );
  });

  it('show the right figures for OTP usage', async () => {
    const id = 'vyry-otp-usage';
    const [requests, checks, sends] = [having('otp-request'), having('otp-verify'), having('message-send')];
    assert.equal(await number(id, 'Codes requested'), requests.length);
    assert.equal(await number(id, 'Right codes'), checks.filter(isSuccess).length / checks.length);
    assert.equal(await number(id, 'Right codes per code requested'), checks.filter(isSuccess).length / requests.length);
    assert.equal(
      await number(id, 'Expired codes'),
      checks.filter(({ event }) => event.reason === 'otp-expired').length,
    );
    const refused = countBy(checks.filter(isFailure), ({ event }) => event.reason);
    assert.deepEqual(await shownCounts(id, 'Why codes were refused'), refused);
    const [pumping] = await shown(id, 'Codes requested by address');
    assert.deepEqual(pumping, { Address: attackers.pumping, 'Codes requested': 36, Registrations: 36 });
    const providers = await shown(id, 'Providers');
    for (const name of ['twilio', 'smtp']) {
      const own = sends.filter(({ vyry }) => vyry.messaging?.provider === name);
      const took = own.filter(isSuccess).length;
      assert.deepEqual(
        providers.find(({ Provider }) => Provider === name),
        { Provider: name, Accepted: took, Refused: own.length - took, 'Accepted, share': took / own.length },
      );
    }
    const countries = await shown(id, 'Providers by country');
    const toLatvia = sends.filter(({ vyry }) => vyry.messaging?.country === 'LV');
    assert.equal(countries.find(({ Country }) => Country === 'LV')?.Accepted, toLatvia.length);
  });

  it('show the right figures for errors and latency', async () => {
    const id = 'vyry-errors';
    const answers = documents.filter((event) => statusOf(event) > 0);
    const broken = answers.filter((event) => statusOf(event) >= 500);
    const refused = answers.filter((event) => statusOf(event) >= 400 && statusOf(event) < 500);
    assert.equal(await number(id, 'Answers'), answers.length);
    assert.equal(await number(id, 'Refused (4xx)'), refused.length);
    assert.equal(await number(id, 'Failed (5xx)'), broken.length);
    assert.equal(await number(id, 'Share of 5xx'), broken.length / answers.length);
    assert.equal(await number(id, 'Outages'), having('dependency-away').length);
    const durations = answers.map(({ event }) => event.duration ?? 0).sort((a, b) => a - b);
    const exact = durations[Math.floor(durations.length * 0.95)] ?? 0;
    const p95 = Number(await number(id, '95 % of answers within'));
    assert.ok(Math.abs(p95 - exact) < exact * 0.1, `${p95} is far from ${exact}`);
    assert.deepEqual(await shownCounts(id, 'Statuses'), countBy([...refused, ...broken], statusOf));
    const routes = await shown(id, 'Routes');
    const route = '/api/v1/registrations/:registrationId/directory';
    const there = answers.filter(({ url, http }) => url?.path === route && http?.request.method === 'PUT');
    const row = routes.find(({ Route }) => Route === route);
    assert.equal(row?.Answers, there.length);
    assert.equal(row?.Errors, there.filter((event) => statusOf(event) >= 400).length);
    assert.equal(row?.['Share of errors'], there.filter((event) => statusOf(event) >= 400).length / there.length);
  });

  it('show the right figures for user activity, of all users and of one user', async () => {
    const id = 'vyry-user-activity';
    assert.equal(await number(id, 'People'), different(documents.map(({ userId }) => userId)));
    assert.equal(await number(id, 'Registrations started'), having('registration-start').length);
    assert.equal(await number(id, 'Accounts created'), having('user-register').filter(isSuccess).length);
    const noAccount = having('user-register').filter(isFailure);
    assert.deepEqual(
      await shownCounts(id, 'Why registrations ended without an account'),
      countBy(noAccount, ({ event }) => event.reason),
    );
    const [busiest] = await shown(id, 'Events by person');
    const own = documents.filter(({ userId }) => userId === busiest?.Person);
    const times = own.map(({ timestamp }) => Date.parse(timestamp));
    assert.deepEqual(busiest, {
      Person: own[0]?.userId,
      Events: own.length,
      Failures: own.filter(isFailure).length,
      'First seen': Math.min(...times),
      'Last seen': Math.max(...times),
      Addresses: different(own.map(({ ip }) => ip)),
      'User agents': different(own.map(({ userAgent }) => userAgent)),
    });
    const chosen = [{ match: { 'user.id': busiest?.Person } }];
    const { rows } = await runLens(lensOf(id, 'Registrations started'), sample.events, sampleDay, chosen);
    assert.deepEqual(rows, [{ measure0: own.filter(({ action }) => action === 'registration-start').length }]);
  });

  it('show the right figures for messages and connections', async () => {
    const id = 'vyry-messages';
    assert.equal(await number(id, 'Connections refused'), having('socket-refuse').length);
    assert.equal(await number(id, 'Minutes of floods'), having('message-flood').length);
    assert.equal(await number(id, 'Devices suspended'), having('device-suspend').length);
    assert.deepEqual(
      await shownCounts(id, 'Limits and refusals of floods'),
      countBy(having('message-flood'), ({ event }) => event.reason),
    );
    const [blocked] = await shown(id, 'Blocked users, by pseudonym');
    const own = having('user-block').filter(({ user }) => user?.hash === blocked?.Pseudonym);
    assert.deepEqual([blocked?.Blocked, blocked?.['By people']], [12, different(own.map(({ userId }) => userId))]);
    const [address] = await shown(id, 'Refused connections by address');
    assert.equal(address?.Address, attackers.connections);
  });

  it('show the right figures for devices, links and keys', async () => {
    const id = 'vyry-devices';
    const because = (events: AuditEvent[], ...reasons: string[]) =>
      events.filter(({ event }) => reasons.includes(event.reason ?? ''));
    const [added, low, fetches] = [having('device-add'), having('keys-low'), having('keys-fetch')];
    const ends = having('device-link', 'approval-answer');
    const denied = because(ends, 'denied', 'wrong-code', 'reported');
    assert.equal(await number(id, 'Devices added'), added.length);
    assert.equal(await number(id, 'Devices linked'), because(added, 'link').length);
    assert.equal(await number(id, 'Links and approvals denied'), denied.length);
    assert.equal(await number(id, 'Denied with a report'), 2);
    assert.equal(await number(id, 'Devices removed'), having('device-remove').length);
    assert.equal(await number(id, 'Identity keys changed'), having('identity-change').length);
    assert.equal(await number(id, 'Key directories empty'), because(low, 'none-left').length);
    assert.equal(await number(id, 'Fetches without one-time keys'), because(fetches, 'none-left', 'limited').length);
    assert.deepEqual(
      await shownCounts(id, 'Why devices were removed'),
      countBy(having('device-remove'), ({ event }) => event.reason),
    );
    const [drained] = await shown(id, 'Drained key directories');
    const own = low.filter(({ user }) => user?.target?.id === drained?.Account);
    assert.deepEqual([drained?.['Times empty'], drained?.Events], [because(own, 'none-left').length, own.length]);
    const [asked] = await shown(id, 'New devices that asked, by address').then((rows) =>
      rows.filter(({ Address }) => Address === attackers.linking),
    );
    assert.deepEqual([asked?.Asked, asked?.['Accounts asked']], [2, 1]);
    const dead = because(having('push-change'), 'token-dead');
    const providers = await shown(id, 'Push providers');
    assert.deepEqual(
      providers.map(({ Provider, 'Dead registrations': count }) => [Provider, count]).sort(),
      ['apns', 'fcm', 'webpush'].map((name) => [
        name,
        dead.filter(({ vyry }) => vyry.messaging?.provider === name).length,
      ]),
    );
  });

  it('show the right figures for security events and the state of the audit log', async () => {
    const id = 'vyry-security';
    assert.equal(await number(id, 'Lock-outs'), documents.filter(isLockOut).length);
    assert.equal(await number(id, 'Access denied'), having('access-denied').length);
    assert.equal(await number(id, 'Refresh tokens refused'), having('token-refresh').filter(isFailure).length);
    assert.equal(await number(id, 'Actions of operators'), having('operator-act', 'payload-decode').length);
    assert.equal(await number(id, 'Heartbeats of the audit log'), having('audit-heartbeat').length);
    assert.equal(await number(id, 'Events dropped'), 128);
    const last = having('audit-heartbeat').map(({ timestamp }) => Date.parse(timestamp));
    assert.equal(await number(id, 'Last heartbeat'), Math.max(...last));
    const [limited] = await shown(id, 'Limits by address');
    assert.equal(limited?.Address, attackers.limits);
    assert.equal(limited?.Refused, having('rate-limited').filter(({ ip }) => ip === attackers.limits).length);
    const adas = having('operator-act').filter(({ vyry }) => vyry.operator?.name === 'ada');
    const rows = (await shown(id, 'Operators')).filter(
      ({ Operator, Action }) => Operator === 'ada' && Action !== 'decode',
    );
    assert.equal(
      rows.reduce((sum, { Actions }) => sum + Number(Actions), 0),
      adas.length,
    );
  });

  it('list the newest events in the saved searches', async () => {
    const search = (id: string) =>
      objects.find((object) => object.type === 'search' && object.id === id) as SavedObject;
    const failures = await runSearch(search('vyry-failures'), sample.events, sampleDay);
    assert.equal(failures.hits, documents.filter(isFailure).length);
    const newest = documents.findLast(isFailure);
    assert.equal(failures.rows[0]?.['event.action'], newest?.action);
    const broken = await runSearch(search('vyry-server-errors'), sample.events, sampleDay);
    assert.equal(broken.hits, documents.filter((event) => statusOf(event) >= 500).length);
    assert.match(String(broken.rows[0]?.['trace.id']), /^[0-9a-f]{32}$/);
  });
});

describe('pageOf()', () => {
  it('draws every panel of every dashboard with its figures', async () => {
    for (const dashboard of objects.filter(({ type }) => type === 'dashboard')) {
      const page = await pageOf(dashboard, objects, sample.events, sampleDay);
      assert.equal(page.match(/<section/g)?.length, panelsOf(dashboard).length);
      for (const { title } of panelsOf(dashboard)) assert.ok(page.includes(escaped(title)), title);
      assert.doesNotMatch(page, /NaN|undefined|Infinity|\[object/);
    }
    const [first] = objects.filter(({ type }) => type === 'dashboard');
    assert.ok(first);
    const page = await pageOf(first, objects, sample.events, sampleDay);
    assert.match(page, new RegExp(`Attempts</span><b>${documents.filter(isAttempt).length}</b>`));
    assert.match(page, /not a picture of Kibana/);
  });

  it('escapes text sent by clients', async () => {
    const row = { '@timestamp': '1772452800000', 'user_agent.original': '<img src=x onerror="alert(1)">' };
    const html = drawSearch({ hits: 1, rows: [row] }, { width: 400, height: 200 });
    assert.match(html, /&lt;img src=x onerror=&quot;alert\(1\)&quot;&gt;/);
  });
});

/** Returns the file with one dashboard changed. */
function changed(id: string, change: (dashboard: SavedObject, panels: StoredPanel[]) => void): string {
  const copies = readSavedObjects(file);
  const dashboard = copies.find((object) => object.type === 'dashboard' && object.id === id);
  assert.ok(dashboard);
  const panels = panelsOf(dashboard);
  change(dashboard, panels);
  dashboard.attributes.panelsJSON &&= JSON.stringify(panels);
  return copies.map((object) => `${JSON.stringify(object)}\n`).join('');
}

/** Returns the file with one layer of a dashboard changed. */
function withLayer(id: string, title: string, change: (layer: Layer, lens: Lens) => void): string {
  return changed(id, (_dashboard, panels) => {
    const lens = panels.find((panel) => panel.title === title)?.embeddableConfig.attributes;
    assert.ok(lens);
    change(layerOf(lens), lens);
  });
}

function column(layer: Layer, id: string): Column {
  const found = layer.columns[id];
  assert.ok(found);
  return found;
}

/** Returns all problems found by the two checks. The second one runs only if the first finds none. */
async function faultsOf(text: string): Promise<string> {
  const structure = structureProblems(text);
  if (structure.length > 0) return structure.join('\n');
  const changedLines = text.split('\n').filter((line) => !file.includes(line));
  return (await eventProblems(changedLines.join('\n'), sample.events, sampleDay)).join('\n');
}

describe('The dashboard check reports', () => {
  const id = 'vyry-authentication';
  const table = 'Addresses with failures';

  it('an unknown field', async () => {
    const text = withLayer(id, table, (layer) => {
      column(layer, 'group0').sourceField = 'source.address';
    });
    assert.match(await faultsOf(text), /Addresses with failures: group0: there is no field source\.address/);
  });

  it('a text field as a group', async () => {
    const text = withLayer(id, table, (layer) => {
      column(layer, 'group0').sourceField = 'message';
    });
    assert.match(await faultsOf(text), /message is text, which is not supported here/);
  });

  it('a misspelled field in a query', async () => {
    const text = withLayer(id, table, (_layer, lens) => {
      lens.state.query.query = 'event.outcom: failure';
    });
    assert.match(await faultsOf(text), /there is no field event\.outcom in/);
  });

  it('a value that no event has', async () => {
    const text = withLayer(id, table, (layer) => {
      column(layer, 'measure0').filter = { query: 'event.outcome: failed', language: 'kuery' };
    });
    assert.match(await faultsOf(text), /nothing matches .*"value":"failed"/);
  });

  it('a formula that is not expanded', async () => {
    const text = withLayer(id, 'Failure rate', (layer) => {
      column(layer, 'measure0').references = [];
    });
    assert.match(await faultsOf(text), /the formula is not expanded/);
  });

  it('a missing reference, and an unused one', async () => {
    const text = changed(id, ({ references }) => {
      const last = references.at(-1);
      assert.ok(last);
      last.name = last.name.replace('controlGroup_', 'control_');
    });
    assert.match(await faultsOf(text), /reference controlGroup_\S+ is missing[\s\S]*reference control_\S+ is not used/);
  });

  it('panels that overlap or leave the grid', async () => {
    const overlapping = changed(id, (_dashboard, panels) => {
      const [, second] = panels;
      assert.ok(second);
      second.gridData.x -= 1;
    });
    assert.match(await faultsOf(overlapping), /Attempts: it overlaps Failed attempts/);
    const outside = changed(id, (_dashboard, [first]) => {
      assert.ok(first);
      first.gridData.w = 49;
    });
    assert.match(await faultsOf(outside), /Attempts: it leaves the grid/);
  });

  it('a version that older Kibana releases refuse, and a missing version', async () => {
    const newer = changed(id, (dashboard) => {
      dashboard.typeMigrationVersion = '10.10.0';
    });
    assert.match(await faultsOf(newer), /typeMigrationVersion 10\.10\.0 is newer than 10\.2\.0/);
    const none = changed(id, (dashboard) => {
      Reflect.deleteProperty(dashboard, 'typeMigrationVersion');
    });
    assert.match(await faultsOf(none), /typeMigrationVersion is missing/);
  });

  it('an attribute unknown to Kibana, and one that should be text', async () => {
    const unknown = changed(id, ({ attributes }) => {
      attributes.sections = [];
    });
    assert.match(await faultsOf(unknown), /attribute sections is unknown/);
    const parsed = changed(id, ({ attributes }) => {
      attributes.optionsJSON = {};
    });
    assert.match(await faultsOf(parsed), /optionsJSON is not text/);
  });

  it('a wrong order of columns', async () => {
    const metricFirst = withLayer(id, table, (layer) => {
      layer.columnOrder.reverse();
    });
    assert.match(await faultsOf(metricFirst), /columnOrder has a metric before a bucket/);
    const timeFirst = withLayer(id, 'Attempts by outcome', (layer) => {
      layer.columnOrder = ['group1', 'group0', 'measure0'];
    });
    assert.match(await faultsOf(timeFirst), /time is split before the values/);
    const forgotten = withLayer(id, table, (layer) => {
      layer.columnOrder.pop();
    });
    assert.match(await faultsOf(forgotten), /columnOrder does not list every column/);
  });

  it('a date histogram on a field that is not a date', async () => {
    const text = withLayer(id, 'Attempts by outcome', (layer) => {
      column(layer, 'group1').sourceField = 'event.action';
    });
    assert.match(await faultsOf(text), /event\.action is keyword, which is not supported here/);
  });

  it('a percentile of a field that is not a number', async () => {
    const text = withLayer('vyry-errors', 'Latency', (layer) => {
      column(layer, 'measure0').sourceField = 'url.path';
    });
    assert.match(await faultsOf(text), /url\.path is keyword, which is not supported here/);
  });

  it('a control on an unknown field', async () => {
    const text = changed(id, (dashboard) => {
      const controls = controlsOf(dashboard);
      const [first] = Object.values(controls);
      assert.ok(first);
      first.explicitInput.fieldName = 'event.kinds';
      (dashboard.attributes.controlGroupInput as { panelsJSON: string }).panelsJSON = JSON.stringify(controls);
    });
    assert.match(await faultsOf(text), /there is no field event\.kinds/);
  });

  it('a drilldown to a dashboard that is not in the file', async () => {
    const text = changed(id, ({ references }) => {
      const drilldown = references.find(({ name }) => name.includes(':drilldown:'));
      assert.ok(drilldown);
      drilldown.id = 'vyry-users';
    });
    assert.match(await faultsOf(text), /dashboard vyry-users is not in the file/);
  });

  it('a visualization that uses a metric as a group', async () => {
    const text = withLayer(id, 'Attempts by outcome', (_layer, lens) => {
      lens.state.visualization = { layers: [{ xAccessor: 'measure0', accessors: ['group1'] }] };
    });
    assert.match(await faultsOf(text), /xAccessor cannot be measure0[\s\S]*accessors cannot be group1/);
  });

  it('a panel without data', async () => {
    const text = withLayer(id, table, (layer, lens) => {
      lens.state.query.query = 'event.outcome: success and event.outcome: failure';
      column(layer, 'measure0').filter = { query: '', language: 'kuery' };
    });
    assert.match(await faultsOf(text), /Addresses with failures: no event matches it/);
  });
});
