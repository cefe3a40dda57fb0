import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createCertificates } from '../../engines/directory/certificates.ts';
import { freePort } from '../../engines/ports.ts';
import { importInto, readTarget } from '../../kibana/import.ts';
import { type FakeKibana, type KibanaOptions, startKibana } from '../support/kibana.ts';
import { runNode } from '../support/node-process.ts';

const key = 'canary-of-the-api-key';
const authorization = `ApiKey ${key}`;

/** Imports into a fake and returns the lines it printed. */
async function importTo({ url }: FakeKibana, env: Record<string, string> = {}): Promise<string[]> {
  const said: string[] = [];
  await importInto(readTarget({ KIBANA_URL: url, KIBANA_API_KEY: key, ...env }), (line) => said.push(line));
  return said;
}

async function refusal(options: KibanaOptions, env: Record<string, string> = {}): Promise<string> {
  await using kibana = await startKibana(options);
  try {
    await importTo(kibana, env);
  } catch (err) {
    const { message } = err as Error;
    assert.doesNotMatch(message, new RegExp(key));
    return message;
  }
  assert.fail('Everything was imported');
}

describe('importInto()', () => {
  it('imports data view, searches, dashboards and both kinds of rules', async () => {
    await using kibana = await startKibana({ authorization });
    const said = await importTo(kibana);
    const types = [...kibana.objects.values()].map(({ type }) => type);
    assert.equal(types.filter((type) => type === 'dashboard').length, 7);
    assert.ok(kibana.objects.has('index-pattern:auth-logs'));
    assert.equal(kibana.rules.size, 14);
    assert.equal(kibana.detectionRules.size, 13);
    assert.deepEqual(said, [
      `Kibana 8.19.0 at ${kibana.url}`,
      'Saved objects: 15 imported',
      'Rules: 14 of 14 set',
      'Detection rules: 13 imported',
    ]);
  });

  it('can be repeated: it creates no duplicates, and keeps the actions and the enabled state of each rule', async () => {
    await using kibana = await startKibana();
    await importTo(kibana);
    const [id = '', rule] = [...kibana.rules][0] ?? [];
    assert.ok(rule);
    const action = { id: 'a-connector', group: 'query matched', params: { text: 'Look' }, uuid: 'an-action' };
    kibana.rules.set(id, {
      ...rule,
      name: 'old',
      enabled: false,
      actions: [{ ...action, connector_type_id: '.index' }],
    });
    await importTo(kibana);
    assert.equal(kibana.rules.size, 14);
    assert.deepEqual(kibana.rules.get(id), { ...rule, enabled: false, actions: [action] });
  });

  it('imports into a space', async () => {
    await using kibana = await startKibana({ space: 'security-team' });
    await importTo(kibana, { KIBANA_SPACE: 'security-team' });
    assert.ok(kibana.requests.every((request) => request.includes(' /s/security-team/api/')));
    assert.equal(kibana.rules.size, 14);
  });

  it('also accepts a user name and a password', async () => {
    const basic = `Basic ${Buffer.from('deploy:secret:with colon').toString('base64')}`;
    await using kibana = await startKibana({ authorization: basic });
    await importTo(kibana, { KIBANA_API_KEY: '', KIBANA_USERNAME: 'deploy', KIBANA_PASSWORD: 'secret:with colon' });
    assert.equal(kibana.rules.size, 14);
  });

  it('reports wrong or insufficient credentials', async () => {
    assert.match(await refusal({ authorization: 'ApiKey another' }), /refuses the credentials \(401\)/);
    const forbidden = { '/api/saved_objects/_import': { status: 403, body: { message: 'Forbidden' } } };
    assert.match(await refusal({ answers: forbidden }), /may not do this \(403\): \/api\/saved_objects\/_import/);
  });

  it('imports nothing when Kibana is too old or not ready, or when the server is not Kibana', async () => {
    await using old = await startKibana({ version: '8.9.2' });
    await assert.rejects(importTo(old), /Kibana 8\.9\.2 is too old.*8\.19\.0/);
    assert.deepEqual(old.requests, ['GET /api/status']);
    const starting = { '/api/status': { status: 503, body: { message: 'Kibana server is not ready yet' } } };
    assert.match(await refusal({ answers: starting }), /is not ready: 503 Kibana server is not ready yet/);
    assert.match(await refusal({ answers: { '/api/status': { status: 200, body: 'hello' } } }), /This is not Kibana/);
    const login = { '/api/status': { status: 302, body: '', location: '/login' } };
    assert.match(await refusal({ answers: login }), /redirects \/api\/status \(302\)/);
  });

  it('compares version numbers numerically: 10 is newer than 9', async () => {
    await using kibana = await startKibana({ version: '10.0.0' });
    assert.match((await importTo(kibana))[0] ?? '', /Kibana 10\.0\.0/);
  });

  it('fails on a partial import despite status 200, naming each refused object and the reason', async () => {
    const message = await refusal({ refusedTypes: ['search', 'index-pattern'] });
    assert.match(message, /did not import everything/);
    assert.match(message, /search vyry-failures: unsupported_type/);
    assert.match(message, /index-pattern auth-logs: unsupported_type/);
  });

  it('names every refused rule, and continues with the others', async () => {
    const taken = JSON.parse(await readFile('kibana/rules.json', 'utf8')) as { id: string; name: string }[];
    const [first] = taken;
    await using kibana = await startKibana({ taken: [first?.id ?? ''], refusedDetection: 'threshold: Required' });
    await assert.rejects(importTo(kibana), ({ message }: Error) => {
      assert.match(message, new RegExp(`rule ${first?.name}: its id is taken`));
      assert.equal(message.match(/detection rule .*: threshold: Required/g)?.length, 13);
      return true;
    });
    assert.equal(kibana.rules.size, 13);
  });
});

describe('npm run kibana:import', () => {
  const run = (env: Record<string, string>) => runNode(['kibana/import.ts'], { env });

  it('exits with 1 and prints one line when Kibana is unreachable', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const { code, stderr } = await run({ KIBANA_URL: url, KIBANA_API_KEY: key });
    assert.equal(code, 1);
    assert.match(stderr, /^Kibana cannot be reached at http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED.*\n$/);
  });

  it('exits with 1 and names all bad variables, never their values', async () => {
    const { code, stderr } = await run({ KIBANA_URL: `ftp://${key}`, KIBANA_SPACE: `A ${key}` });
    assert.equal(code, 1);
    assert.match(stderr, /KIBANA_URL must be a URL/);
    assert.match(stderr, /KIBANA_SPACE must be the id of a space/);
    assert.match(stderr, /KIBANA_API_KEY is missing, and so is KIBANA_PASSWORD/);
    assert.doesNotMatch(stderr, new RegExp(key));
    assert.match((await run({})).stderr, /KIBANA_URL is missing/);
  });

  it('trusts the given certificate authority, and no other server', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'vyry-kibana-'));
    try {
      const files = await createCertificates(folder, 'valid');
      const [tlsKey, cert] = await Promise.all(
        [files.keyFile, files.certificateFile].map((file) => readFile(file, 'utf8')),
      );
      await using kibana = await startKibana({ authorization, tls: { key: tlsKey ?? '', cert: cert ?? '' } });
      const keyFile = join(folder, 'api-key');
      await writeFile(keyFile, `${key}\n`);
      const env = { KIBANA_URL: kibana.url, KIBANA_API_KEY_FILE: keyFile };
      const distrusting = await run(env);
      assert.equal(distrusting.code, 1);
      assert.match(distrusting.stderr, /cannot be reached .*certificate/);
      const { code, stderr } = await run({ ...env, KIBANA_CA_FILE: files.caFile });
      assert.equal(stderr, '');
      assert.equal(code, 0);
      assert.equal(kibana.rules.size, 14);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
