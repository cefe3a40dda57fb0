/** Checks what docker-compose.yml keeps apart: secrets, privileges, networks, memory, and the versions of a deploy. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { roles, temporalRoles } from '../platform/config/roles.ts';
import { variablesOf } from '../platform/config/variables.ts';
import { makeEnvFile, read, readCompose, readSecret, type Service, stageOf, tools } from './support/compose.ts';

/** The processes with an account of MongoDB, and the secret with its URL. */
const databaseAccounts = ['api', 'gateway', 'registration', 'operator', 'migrate'].map((account): [string, string] => [
  account,
  `DATABASE_URL_${account.toUpperCase()}`,
]);

describe('docker-compose.yml', () => {
  const compose = readCompose();
  const services = Object.entries(compose.services);

  it('limits memory and processes of each container, and what it may write to', () => {
    // these write their configuration or their keystore when they start
    const writing = services.filter(([, { read_only }]) => read_only !== true).map(([name]) => name);
    assert.deepEqual(writing, ['temporal-ui', 'elasticsearch']);
    for (const [name, { pids_limit: pids = 0, mem_limit: memory = '' }] of services) {
      assert.ok(pids > 0 && pids <= 4096, name);
      assert.match(memory, /^(\$\{\w+_MEMORY:-)?\d+[mg]\}?$/, name);
    }
  });

  it('gives secrets as files, and each container only its own', () => {
    const secrets = Object.keys(compose.secrets);
    const places = Object.entries(compose.secrets).map(([name, { file }]) => [name, file]);
    assert.deepEqual(
      places,
      secrets.map((name) => [name, `\${${name}_FILE:-./secrets/${name}}`]),
    );
    for (const [name, service] of services) {
      const { environment = {}, secrets: own = [] } = service;
      assert.deepEqual(
        Object.keys(environment).filter((variable) => secrets.includes(variable)),
        [],
        `${name} has a secret in its environment`,
      );
      // the operator's tool uses all of them
      if (tools.includes(name)) continue;
      assert.deepEqual(own.toSorted(), secretsUsedBy(service), name);
    }
  });

  it('gives every secret variable of a process as a file', () => {
    const held = roles.flatMap((role) => variablesOf(role).map(([name]) => name));
    const form = /(PASSWORD|SECRET|SECRETS_OLD|_KEYS?|_KEYS_OLD|_TOKENS?|_ACCOUNT|_HEADERS)$/;
    const open = ['VAPID_PUBLIC_KEY', 'CAPTCHA_SITE_KEY'];
    const urls = ['KEYS', 'DATABASE_URL', 'REDIS_URL', 'ELASTICSEARCH_URL', 'SMTP_URL'];
    const secret = [...held.filter((name) => form.test(name)), ...urls].filter((name) => !open.includes(name));
    for (const [role, { environment = {} }] of services)
      assert.deepEqual(
        Object.keys(environment).filter((name) => secret.includes(name)),
        [],
        role,
      );
  });

  it('gives no process an account that may do everything', () => {
    const made = `${compose.services['mongo-setup']?.command} ${compose.services['elasticsearch-setup']?.command}`;
    assert.match(made, /name === 'migrate' \? \[\{ role: 'readWrite', db: 'vyry' \}\] : \[\]/);
    assert.match(made, /put role\/vyry-audit .*"names\\":\[\\"\$\$AUDIT_INDEX-\*/);
    const superusers = ['MONGO_ROOT_PASSWORD', 'MONGO_KEY', 'ELASTIC_PASSWORD', 'POSTGRES_PASSWORD'];
    for (const name of [...roles, ...tools, 'migrate']) {
      const own = compose.services[name]?.secrets ?? [];
      assert.deepEqual(
        own.filter((secret) => superusers.includes(secret)),
        [],
        name,
      );
    }
  });

  it('runs a replica set of MongoDB, of which the processes know every member', async () => {
    await using env = await makeEnvFile();
    const members = services.filter(([name, { command }]) => /^mongo/.test(name) && `${command}`.includes('--replSet'));
    const names = members.map(([name]) => name);
    assert.equal(names.length, 3);
    const volumes = members.flatMap(([, service]) => service.volumes ?? []);
    assert.equal(new Set(volumes).size, 3, 'each has its own data');
    for (const [account, name] of databaseAccounts) {
      const url = readSecret(env.folder, name);
      assert.ok(url.startsWith(`mongodb://vyry-${account}:`), url);
      assert.ok(url.includes(`@${names.join(',')}/vyry?replicaSet=vyry&authSource=vyry&w=majority`));
      assert.equal(compose.services[account]?.environment?.DATABASE_URL_FILE, `/run/secrets/${name}`);
    }
    assert.match(`${compose.services['mongo-setup']?.command}`, new RegExp(`\\['${names.join("', '")}'\\]`));
  });

  it('has an account of MongoDB for each process, with rights on every collection, as docs/deploy.md describes them', () => {
    const adapters = readdirSync(join(import.meta.dirname, '..', 'adapters', 'mongo')).filter((file) =>
      file.endsWith('.ts'),
    );
    const code = adapters.map((file) => read(`adapters/mongo/${file}`)).join('');
    const collections = [...code.matchAll(/\{ collection: '(\w+)'/g)].map(([, name = '']) => name);
    const setup = `${compose.services['mongo-setup']?.command}`;
    const [, stored = ''] = /const stored = \[(.*?)\]/.exec(setup) ?? [];
    assert.deepEqual([...stored.matchAll(/\w+/g)].map(String).toSorted(), [...new Set(collections)].toSorted());
    const page = read('docs/deploy.md');
    const [, described = ''] = /^\| `api`, `registration` \|(.*)\|$/m.exec(page) ?? [];
    for (const name of collections) assert.match(described, new RegExp(`\`${name}\``));
    for (const [account] of databaseAccounts) assert.match(setup, new RegExp(`\\b${account}: (\\{|all\\()`), account);
  });

  it('lets only those out that talk to the outside', () => {
    const { loopback, ...networks } = compose.networks;
    const inner = (name: string) =>
      /^(true|\$\{ELASTICSEARCH_INTERNAL:-true\})$/.test(String(networks[name]?.internal));
    const out = Object.keys(networks).filter((name) => !inner(name));
    assert.deepEqual(out, ['ldap', 'providers', 'servers']);
    const options = Object.entries(loopback?.driver_opts ?? {}).map(([name, value]) => [name.split('.').at(-1), value]);
    assert.deepEqual(options, [
      ['enable_icc', 'false'],
      ['enable_ip_masquerade', 'false'],
    ]);
    const leaving = services.filter(([, service]) => service.networks?.some((name) => out.includes(name)));
    assert.deepEqual(
      leaving.map(([name]) => name),
      ['api', 'directory', 'delivery', 'signal', 'operator', 'ldap', 'outbox'],
    );
    for (const [name, { ports, networks: own = [] }] of services) {
      // an internal network publishes nothing, and of two others either may be the way out
      const published = own.filter((network) => network === 'loopback' || out.includes(network));
      if (ports !== undefined) assert.ok(published.length > 0, name);
      if (published.includes('loopback')) assert.deepEqual(published, ['loopback'], name);
    }
  });

  it('has the metrics of the Temporal server, and the example of Prometheus scrapes them', () => {
    const { environment, networks } = compose.services.temporal ?? {};
    assert.equal(environment?.PROMETHEUS_ENDPOINT, '0.0.0.0:9091');
    assert.ok(networks?.includes('monitoring'));
    assert.match(read('monitoring/prometheus.yml'), /temporal:9091/);
  });

  it('migrates the database before a process of the build starts that uses it', () => {
    for (const role of roles.filter((name) => variablesOf(name).some(([variable]) => variable === 'DATABASE_URL')))
      assert.deepEqual(compose.services[role]?.depends_on?.migrate, { condition: 'service_completed_successfully' });
    assert.deepEqual(compose.services.migrate?.command, ['migrate']);
  });

  it('starts workers with the version of their build once WORKER_DEPLOYMENT is set', () => {
    for (const role of temporalRoles) {
      const { WORKER_DEPLOYMENT: name, WORKER_BUILD_ID_FILE: file } = compose.services[role]?.environment ?? {};
      assert.deepEqual([name, file], [`$\{WORKER_DEPLOYMENT:-}`, '/vyry/dist/build-id']);
      // a second container of the role runs beside the first one during a deploy
      assert.equal(compose.services[role]?.ports, undefined);
    }
    assert.match(stageOf('bundle').text, /node workers\/bundle\.ts dist\/workflows\.js "\$COMMIT"/);
  });
});

/** Returns the secrets that a service names by path, or in its scripts. */
function secretsUsedBy({ environment = {}, command = [], entrypoint = [], healthcheck }: Service): string[] {
  const text = [...Object.values(environment), ...command, ...entrypoint, ...(healthcheck?.test ?? [])].join(' ');
  const named = [...text.matchAll(/\/run\/secrets\/([A-Z_]+)|\bsecret(?:\('| )([A-Z_]+)/g)];
  const names = named.map(([, path, name]) => path ?? name ?? '');
  // the accounts of the database, by their names
  const own = (name: string) => (name === 'DATABASE_URL_' ? databaseAccounts.map(([, secret]) => secret) : [name]);
  return [...new Set(names.flatMap(own))].toSorted();
}
