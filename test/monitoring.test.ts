/** Checks that the files of monitoring/ are valid and use only metrics that a running system exposes. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { parser } from '@prometheus-io/lezer-promql';
import { parse } from 'yaml';
import { freePort } from '../engines/ports.ts';
import type { System } from '../engines/system.ts';
import { roles } from '../platform/config/roles.ts';
import { call, startRegistration } from './support/client.ts';
import { makeDevice, makeIdentity, makeRotation } from './support/device-keys.ts';
import { setFault } from './support/faults.ts';
import { createJourney, type Journey, personOf } from './support/journey.ts';
import { createLinkSteps } from './support/links.ts';
import { deviceOwner } from './support/messages.ts';
import { writeByPage } from './support/messaging-page.ts';
import { signedIn } from './support/people.ts';
import { must } from './support/registrations.ts';
import { createRestClient } from './support/rest-client.ts';
import { isStarted, type RoleProcess, startRole } from './support/roles.ts';
import { startTestSystem } from './support/system.ts';
import { until } from './support/until.ts';

interface Rule {
  alert: string;
  expr: string;
  for?: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { uid: string };
  targets?: { expr: string; legendFormat: string; datasource: { uid: string } }[];
}

interface Dashboard {
  uid: string;
  templating: { list: { name: string; type: string; query: string }[] };
  panels: Panel[];
}

interface Matcher {
  label: string;
  operator: string;
  value: string;
}

/** The metrics and labels that an expression uses. */
interface Asked {
  metrics: { name: string; matchers: Matcher[] }[];
  /** Labels in `by`, `on` and similar clauses. */
  labels: string[];
}

const folder = resolve(import.meta.dirname, '..', 'monitoring');
const read = (file: string) => readFileSync(join(folder, file), 'utf8');
const files = ['grafana-dashboard.json', 'grafana-messages.json'];
const dashboards = files.map((file): Dashboard => JSON.parse(read(file)));
const groups: { name: string; rules: Rule[] }[] = parse(read('prometheus-alerts.yml')).groups;
const rules = groups.flatMap((group) => group.rules);
const panels = dashboards.flatMap((dashboard) => dashboard.panels.filter(({ type }) => type !== 'row'));
const expressions = [
  ...rules.map(({ alert, expr }) => ({ of: alert, expr })),
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ of: title, expr: inPrometheus(expr) }))),
];

/** Labels that Prometheus adds to every target. */
const targetLabels = ['job', 'instance', 'role'];

describe('Expressions of dashboard and alerts', () => {
  it('are valid PromQL', async (t) => {
    for (const { of, expr } of expressions) assert.deepEqual(problemsOf(expr), [], `${of}: ${expr}`);
    assert.notDeepEqual(problemsOf('sum(rate(x[5m])'), []);
    const isThere = await promisify(execFile)('promtool', ['--version']).then(
      () => true,
      () => false,
    );
    if (isThere) await promisify(execFile)('promtool', ['check', 'rules', join(folder, 'prometheus-alerts.yml')]);
    else t.diagnostic('promtool is not installed here: `promtool check rules` was not run');
  });
});

describe('The Grafana dashboards', () => {
  it('can be imported: each has a uid of its own, and works with any Prometheus data source', () => {
    assert.equal(new Set(dashboards.map(({ uid }) => uid)).size, dashboards.length);
    for (const { uid, templating } of dashboards) {
      assert.match(uid, /^[\w-]{1,40}$/);
      assert.deepEqual(
        templating.list.map(({ name, type, query }) => ({ name, type, query })),
        [{ name: 'datasource', type: 'datasource', query: 'prometheus' }],
      );
    }
    for (const { title, datasource, targets = [] } of panels) {
      for (const { uid } of [datasource, ...targets.map((target) => target.datasource)].map(
        (source) => source ?? { uid: '' },
      )) {
        assert.equal(uid, `$\{datasource}`, title);
      }
    }
  });

  it('describe every panel, and have no overlapping panels', () => {
    for (const { title, description = '', targets = [] } of panels) {
      assert.ok(description.length > 10, title);
      assert.ok(targets.length > 0, title);
    }
    for (const { panels: all } of dashboards) {
      assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
      for (const one of all) {
        assert.ok(one.gridPos.x + one.gridPos.w <= 24, one.title);
        for (const other of all) assert.ok(one === other || !areOver(one, other), `${one.title}, ${other.title}`);
      }
    }
  });
});

describe('monitoring/prometheus-alerts.yml', () => {
  it('has a summary, a description and an action for every alert', () => {
    assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
    for (const { alert, labels, annotations, for: pending = '1m' } of rules) {
      assert.match(alert, /^Vyry[A-Z]\w+$/);
      assert.ok(['critical', 'warning'].includes(labels.severity ?? ''), alert);
      assert.deepEqual(Object.keys(annotations).toSorted(), ['action', 'description', 'summary'], alert);
      for (const text of Object.values(annotations)) assert.ok(text.length > 15, `${alert}: ${text}`);
      assert.match(pending, /^\d+[smh]$/, alert);
    }
  });

  it('is loaded by prometheus.yml, which scrapes every role', () => {
    const { rule_files, scrape_configs } = parse(read('prometheus.yml'));
    assert.deepEqual(rule_files, ['prometheus-alerts.yml']);
    assert.deepEqual(
      scrape_configs.map(({ job_name }: { job_name: string }) => job_name),
      ['vyry', 'temporal'],
    );
    const names = scrape_configs[0].dns_sd_configs.flatMap((config: { names: string[] }) => config.names);
    assert.deepEqual(names.toSorted(), [...roles].toSorted());
  });
});

describe('A running system', () => {
  const workers: RoleProcess[] = [];
  let system: System;
  let urls: string[];
  let samples: Sample[];

  const scrapeAll = async () => (await Promise.all(urls.map(scrape))).flat();

  before(async () => {
    const env = { CODEC_PASSWORD: 'operators-only-password', CAPTCHA_COST: '2', DIRECTORY_TRIES: '2' };
    system = await startTestSystem({ roles: ['api'], elasticsearch: true, env });
    const ports = await Promise.all(roles.slice(1).map(() => freePort()));
    for (const [index, role] of roles.slice(1).entries()) {
      const port = role === 'gateway' ? 'SERVER_PORT' : 'HEALTH_PORT';
      workers.push(startRole(role, { ...system.processes.env(role), [port]: String(ports[index]) }));
    }
    await Promise.all(workers.map((worker) => worker.until(isStarted)));
    await makeTraffic(system);
    urls = [system.ready.apiUrl, ...ports.map((port) => `http://127.0.0.1:${port}`)];
    samples = await scrapeAll();
  });
  after(async () => {
    for (const worker of workers) worker.signal('SIGTERM');
    await Promise.all(workers.map((worker) => worker.ended()));
    await system?.stop();
  });

  it('exposes every metric that dashboard and alerts use, with the labels they use', () => {
    for (const { of, expr } of expressions) assert.deepEqual(missingOf(expr, samples), [], of);
    const [some] = missingOf('sum by (nothing) (rate(vyry_codes_checked_total{state="wrong"}[5m]))', samples);
    assert.equal(some, 'vyry_codes_checked_total has no label state');
    assert.equal(missingOf('sum by (nothing) (vyry_nothing) / vyry_sessions_total{}', samples).length, 2);
  });

  it('exposes no metric of its own that is not used', () => {
    const asked = new Set(expressions.flatMap(({ expr }) => askedBy(expr).metrics.map(({ name }) => baseOf(name))));
    const said = new Set(samples.map(({ name }) => baseOf(name)).filter((name) => name.startsWith('vyry_')));
    assert.deepEqual(
      [...said].filter((name) => !asked.has(name)),
      [],
    );
    assert.ok(said.size > 20);
  });

  it('has no id, number, address or name in a label', () => {
    const values = samples.flatMap(({ labels }) => Object.values(labels));
    const person = personOf(71);
    for (const value of values) {
      assert.doesNotMatch(value, /[0-9a-f]{24}|@|\+\d{6}/);
      assert.equal(value.includes(person.username), false);
    }
  });

  it('reports the state of dependencies, the Temporal backlog and what registrations wait for', async () => {
    // figures may lag behind, and a worker that was starved is briefly reported as down
    await until(async () => {
      assertFigures(await scrapeAll());
      return true;
    });
  });

  function assertFigures(told: Sample[]): void {
    const figureOf = (name: string, labels: Record<string, string>) =>
      told.find(
        (sample) =>
          sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
      )?.value;
    for (const dependency of [
      'redis',
      'mongodb',
      'temporal',
      'worker:delivery',
      'worker:audit',
      'ldap',
      'elasticsearch',
    ]) {
      assert.equal(figureOf('vyry_dependency_up', { dependency }), 1, dependency);
    }
    for (const queue of ['registration', 'directory', 'delivery']) {
      assert.equal(figureOf('vyry_task_queue_backlog', { queue, kind: 'activity' }), 0, queue);
    }
    assert.equal(figureOf('vyry_registrations_open', { waiting_for: 'sms' }), 1);
    assert.ok(Number(figureOf('vyry_registrations_open', { waiting_for: 'person' })) >= 1);
  }

  it('counts the backlog of a stopped role until it is back', async () => {
    const directory = workers[roles.slice(1).indexOf('directory')];
    directory?.signal('SIGTERM');
    await directory?.ended();
    const registration = await startRegistration(system.ready.apiUrl);
    const { username, password } = personOf(73);
    const answer = registration.call('PUT', '/directory', { username, password });
    await until(async () =>
      (await scrape(system.ready.apiUrl)).some(
        ({ name, labels, value }) =>
          name === 'vyry_task_queue_backlog' &&
          labels.queue === 'directory' &&
          labels.kind === 'activity' &&
          value === 1,
      ),
    );
    const again = startRole('directory', system.processes.env('directory'));
    workers.push(again);
    // the update may also time out, which does not matter here
    await answer;
    await until(async () => (await registration.call('GET', '')).body.steps[0].status === 'done');
  });
});

interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

async function scrape(url: string): Promise<Sample[]> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return text
    .split('\n')
    .map((line) => /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, name = '', labels = '', value]) => ({
      name,
      labels: Object.fromEntries(
        [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key, text]),
      ),
      value: Number(value),
    }));
}

/** A completed registration, and one of every quick error. */
async function makeTraffic(system: System): Promise<void> {
  const { ready } = system;
  const { apiUrl, outboxUrl, codecUrl } = ready;
  const whole = createJourney(ready, personOf(71));
  await whole.walk('directory');
  await whole.registration?.call('PUT', '/captcha', { provider: 'altcha', token: 'bm8=' });
  await whole.walk('send');
  await whole.prepare();
  await whole.registration?.call('PUT', '/code', { code: '000000' });
  await whole.walk('session');
  await useCredentials(apiUrl, whole);
  await useDevices(system);
  await writeByPage(apiUrl, [await deviceOwner(system, 77), await deviceOwner(system, 78)]);
  const guessing = await startRegistration(apiUrl);
  for (const password of ['one', 'two', 'three']) {
    await guessing.call('PUT', '/directory', { username: personOf(72).username, password });
  }
  await setFault(outboxUrl, { channel: 'sms', mode: 'error500' });
  const waiting = createJourney(ready, personOf(74));
  await waiting.walk('send');
  await until(async () => (await waiting.registration?.call('GET', ''))?.body.waitingFor === 'sms');
  for (const password of ['operators-only-password', 'wrong']) {
    const headers = { Authorization: `Bearer ${password}` };
    await call(codecUrl, 'POST', '/decode', { body: {}, headers }).catch(() => undefined);
  }
  // the delivery report follows the message
  await until(async () => (await scrape(apiUrl)).some(({ name }) => name === 'vyry_delivery_reports_total'));
  // Temporal visibility lags behind
  await until(async () =>
    (await scrape(apiUrl)).some(
      ({ name, labels, value }) => name === 'vyry_registrations_open' && labels.waiting_for === 'sms' && value === 1,
    ),
  );
}

/** A wrong password, a new one, and a forgotten one. */
async function useCredentials(apiUrl: string, journey: Journey): Promise<void> {
  const { username, newPassword } = journey.person;
  const token: string = journey.answerOf('session').body.accessToken;
  for (const currentPassword of ['not the password', newPassword]) {
    const body = { currentPassword, newPassword: 'violet-harbour-engraves-93' };
    await call(apiUrl, 'PUT', '/api/v1/auth/password', { token, body });
  }
  await call(apiUrl, 'POST', '/api/v1/auth/password/forgot', { body: { identifier: username } });
  await call(apiUrl, 'PUT', '/api/v1/users/me', { token, body: { fullName: 'Somebody Else' } });
  await call(apiUrl, 'GET', '/api/v1/users/me/export', { token });
  await call(apiUrl, 'DELETE', '/api/v1/users/me', { token });
}

/** A device whose last keys are fetched, which is woken up, denies a link, has another identity key and is removed. */
async function useDevices(system: System): Promise<void> {
  const api = createRestClient(system.ready.apiUrl);
  const { ownerOf, revealed, deny } = createLinkSteps(api);
  const [fetcher, identity] = [await ownerOf(await signedIn(system, 75)), makeIdentity()];
  const person = await signedIn(system, 76);
  const body = makeDevice(identity, { oneTimeKeys: 1 });
  const token = (await must(api.addDevice({ token: person.token, body }), 201)).body.accessToken;
  await must(api.takeKeys({ token: fetcher.token, userId: person.userId }));
  await must(api.setPush({ token, body: { provider: 'fcm', token: 'token-of-76' } }), 204);
  await must(api.testPush({ token }));
  const owner = { ...person, token, identity, deviceId: '1' };
  await must(deny(await revealed(owner), owner, { report: true }), 204);
  await must(api.rotateIdentity({ token, body: makeRotation(makeIdentity(), ['1']) }), 204);
  await must(api.revokeDevice({ token, deviceId: '1' }));
}

/** The metrics and labels that an expression uses and the samples lack. */
function missingOf(expression: string, samples: Sample[]): string[] {
  const { metrics, labels } = askedBy(expression);
  const known = new Set(targetLabels);
  const missing: string[] = [];
  for (const { name, matchers } of metrics.filter((metric) => metric.name !== 'up')) {
    const found = samples.filter((sample) => sample.name === name);
    if (found.length === 0) missing.push(`${name} is not there`);
    const own = new Set([...targetLabels, ...found.flatMap((sample) => Object.keys(sample.labels))]);
    for (const label of own) known.add(label);
    missing.push(...matchers.flatMap((matcher) => mismatchesOf(name, matcher, found, own)));
  }
  return [...missing, ...labels.filter((label) => !known.has(label)).map((label) => `nothing has the label ${label}`)];
}

function mismatchesOf(name: string, { label, operator, value }: Matcher, found: Sample[], own: Set<string>): string[] {
  if (!own.has(label)) return [`${name} has no label ${label}`];
  const isSeen = operator !== '=' || found.some((sample) => sample.labels[label] === value);
  return isSeen || targetLabels.includes(label) || isRare(name, label, value)
    ? []
    : [`no ${name} has ${label}="${value}"`];
}

/** Only a bug gives an activity this outcome. */
function isRare(name: string, label: string, value: string): boolean {
  return name.startsWith('vyry_activity_duration_seconds') && label === 'outcome' && value === 'error';
}

/** Replaces the variables of Grafana, whose values do not matter to the parser. */
function inPrometheus(expression: string): string {
  return expression.replaceAll(/\$__(rate_interval|range)/g, '5m');
}

function problemsOf(expression: string): string[] {
  const problems: string[] = [];
  parser.parse(expression).iterate({
    enter(node) {
      if (node.type.isError) problems.push(`at ${node.from}: ${expression.slice(node.from, node.from + 20)}`);
    },
  });
  return problems;
}

function askedBy(expression: string): Asked {
  const asked: Asked = { metrics: [], labels: [] };
  parser.parse(expression).iterate({
    enter({ name, from, to, node }) {
      const text = expression.slice(from, to);
      if (name === 'Identifier') asked.metrics.push({ name: text, matchers: [] });
      if (name === 'UnquotedLabelMatcher') {
        const [, label = '', operator = '', value = ''] = /^(\w+)\s*(=~|!~|!=|=)\s*"(.*)"$/s.exec(text) ?? [];
        asked.metrics.at(-1)?.matchers.push({ label, operator, value });
      }
      if (name === 'LabelName' && node.parent?.name === 'GroupingLabels') asked.labels.push(text);
    },
  });
  return asked;
}

/** Returns the base name of a histogram series. */
function baseOf(name: string): string {
  return name.replace(/(?<=_seconds)_(bucket|count|sum)$/, '');
}

function areOver({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}
