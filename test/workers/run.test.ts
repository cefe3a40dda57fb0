import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { executeUpdate } from '../../adapters/temporal/client-calls.ts';
import { registrationWorkflowId } from '../../domain/workflow-ids.ts';
import { numberedPerson } from '../../engines/demo-people.ts';
import { freePort } from '../../engines/ports.ts';
import type { System } from '../../engines/system.ts';
import { type Role, roles } from '../../platform/config/roles.ts';
import { variablesOf } from '../../platform/config/variables.ts';
import { commandOf, scrubbedEnvironment } from '../../workers/run.ts';
import { cancel } from '../../workflows/registration-messages.ts';
import { type Answer, call, codeFor, messagesTo, registrationOf, solveCaptcha } from '../support/client.ts';
import { setFault, untilHeld } from '../support/faults.ts';
import { unlessCut } from '../support/instants.ts';
import { linesOf, projectFolder, runNode } from '../support/node-process.ts';
import { type ProbeAnswer, probeAnswer, probeArgument } from '../support/probe.ts';
import { completedRegistration, goodPassword, must, phoneOf, registrationAtCode } from '../support/registrations.ts';
import { isStarted, type RoleProcess, startRole } from '../support/roles.ts';
import { connectStores } from '../support/stores.ts';
import { startOwnTestSystem } from '../support/system.ts';
import { eventually, until } from '../support/until.ts';

const denied = 'ERR_ACCESS_DENIED';

/** The result of each attempt of the probe in every role. */
const refusals: Record<string, string> = {
  'read a foreign file': denied,
  'read the password file': denied,
  'read .env': denied,
  'read .vyry': denied,
  'read the environment of a process': denied,
  'read package-lock.json': denied,
  'read engines/': denied,
  'list the project': denied,
  'ask whether a foreign file exists': denied,
  'open a stream of a foreign file': denied,
  'read a foreign file with a promise': denied,
  'load a file as variables': denied,
  'import a foreign module': denied,
  'write a foreign file': denied,
  'write into the code': denied,
  'append to the code': denied,
  'delete code': denied,
  'make a folder': denied,
  'link to a foreign file': denied,
  'write a heap snapshot': denied,
  'write a report': denied,
  'run a program': denied,
  'run Node': denied,
  'become another program': denied,
  'start a thread': denied,
  'start a thread without permissions': denied,
  'open the inspector': denied,
  'debug itself': denied,
  'reach into Node': denied,
  'open a database file': 'ERR_UNKNOWN_BUILTIN_MODULE',
  'write a database file': 'ERR_UNKNOWN_BUILTIN_MODULE',
  'read its own code': 'allowed',
};

let system: System;
let everybody: NodeJS.ProcessEnv;
let foreignFolder: string;
/** The health port of delivery. */
let healthPort: number;
let gatewayPort: number;
const started = new Map<Role, RoleProcess>();
const answers = new Map<Role, ProbeAnswer>();

before(async () => {
  // only the engines and the variables of this system are used: the processes are started below, each with a probe
  system = await startOwnTestSystem({
    roles: [],
    elasticsearch: true,
    env: { CAPTCHA_COST: '2', OTP_RESEND_WAITS: '1' },
  });
  foreignFolder = join(system.folder.path, 'foreign');
  mkdirSync(foreignFolder);
  writeFileSync(join(foreignFolder, 'file.mjs'), 'export const secret = "of somebody else";\n');
  everybody = {
    ...Object.fromEntries(roles.flatMap((role) => Object.entries(system.processes.env(role)))),
    // derived by workers/run.ts
    KEYS: '',
    ...system.processes.operator,
    NODE_OPTIONS: '--inspect',
    AWS_SECRET_ACCESS_KEY: 'of somebody else',
    PATH: process.env.PATH,
    HOME: process.env.HOME,
  };
  healthPort = await freePort();
  gatewayPort = await freePort();
  for (const role of roles) started.set(role, startRole(role, environmentFor(role), [probeIn(projectFolder)]));
  await Promise.all(roles.map((role) => processOf(role).until(isStarted)));
  for (const role of roles) answers.set(role, await ask(processOf(role)));
});
after(async () => {
  for (const role of started.values()) role.signal('SIGKILL');
  await system?.stop();
});

/** Returns the environment of all roles together, from which a role takes its own variables. */
function environmentFor(role: Role): NodeJS.ProcessEnv {
  return {
    ...everybody,
    ...(role === 'delivery' && { HEALTH_PORT: String(healthPort) }),
    ...(role === 'gateway' && { SERVER_PORT: String(gatewayPort) }),
  };
}

function probeIn(project: string): string {
  return probeArgument({
    project,
    foreignFolder,
    foreignFile: join(foreignFolder, 'file.mjs'),
    addon: join(projectFolder, 'node_modules/argon2/prebuilds/linux-x64/argon2.glibc.node'),
  });
}

function processOf(role: Role): RoleProcess {
  const found = started.get(role);
  if (found === undefined) throw new Error(`${role} was not started`);
  return found;
}

async function ask(role: RoleProcess): Promise<ProbeAnswer> {
  role.signal('SIGUSR2');
  return role.until(probeAnswer);
}

function answerOf(role: Role): ProbeAnswer {
  const answer = answers.get(role);
  if (answer === undefined) throw new Error(`${role} has not answered`);
  return answer;
}

/** Asserts that the permission model refused everything to the role. */
function assertRefusals(role: Role, { tries } = answerOf(role)): void {
  const { 'load an addon': addon = '', ...others } = tries;
  assert.deepEqual(others, refusals);
  // audit may never load addons; the other roles have dropped the permission after loading theirs
  assert.equal(addon, role === 'audit' ? 'ERR_DLOPEN_DISABLED' : denied);
}

/** Asserts that the environment contains exactly the variables of the role. */
function assertEnvironment(role: Role, ...absent: string[]): void {
  const { environment } = answerOf(role);
  const own = new Set(variablesOf(role).map(([name]) => name));
  assert.deepEqual(
    Object.keys(environment).filter((name) => !own.has(name)),
    [],
  );
  assert.deepEqual(environment, scrubbedEnvironment(role, environmentFor(role)));
  for (const name of absent) {
    assert.ok(name in everybody, name);
    assert.equal(name in environment, false, name);
  }
}

describe('the probe', () => {
  it('succeeds at everything in a process without the permission model', async () => {
    const copy = join(system.folder.path, 'copy');
    for (const folder of ['workers', 'platform/config', 'engines', 'node_modules', '.vyry']) {
      mkdirSync(join(copy, folder), { recursive: true });
    }
    for (const file of [
      'platform/config/config.ts',
      'engines/secrets.ts',
      'package.json',
      'package-lock.json',
      '.env',
    ]) {
      writeFileSync(join(copy, file), '');
    }
    const program = "setInterval(() => undefined, 1000); process.kill(process.pid, 'SIGUSR2')";
    const { stdout } = await runNode([probeIn(copy), '--experimental-sqlite', '-e', program], {
      onOutput: (output, kill) => void (probeAnswer(output) && kill('SIGKILL')),
    });
    const tries = Object.entries(probeAnswer(stdout)?.tries ?? {});
    assert.deepEqual(
      tries.filter(([, outcome]) => outcome !== 'allowed'),
      [],
    );
    assert.equal(tries.length, Object.keys(refusals).length + 1);
  });
});

describe('the role api', () => {
  it('cannot access files, programs, threads, addons or the inspector', () => assertRefusals('api'));

  it('has no secrets of the directory and of the providers', () =>
    assertEnvironment('api', 'LDAP_BIND_PASSWORD', 'TWILIO_AUTH_TOKEN', 'SMTP_URL', 'AWS_SECRET_ACCESS_KEY', 'HOME'));
});

describe('the role gateway', () => {
  it('cannot access files, programs, threads, addons or the inspector', () => assertRefusals('gateway'));

  it('has no key of the data of users, and no secrets of the directory and of the providers', () =>
    assertEnvironment('gateway', 'DATA_KEY', 'LDAP_BIND_PASSWORD', 'TWILIO_AUTH_TOKEN', 'SMTP_URL'));
});

describe('the role registration', () => {
  it('cannot access files, programs, threads, addons or the inspector', () => assertRefusals('registration'));

  it('has no JWT key, and no secrets of the directory and of the providers', () =>
    assertEnvironment('registration', 'JWT_SECRET', 'LDAP_BIND_PASSWORD', 'TWILIO_AUTH_TOKEN', 'SMTP_URL'));

  it('can no longer read the bundle after startup', () => {
    assert.equal(processOf('registration').output().includes('process.started'), true);
    assert.equal(
      answerOf('registration').execArgv.some((flag) => flag.endsWith('workflows.js')),
      true,
    );
  });
});

describe('the role directory', () => {
  it('cannot access files, programs, threads, addons or the inspector', () => assertRefusals('directory'));

  it('has no database key, no database URL, no JWT key and no secrets of the providers', () =>
    assertEnvironment('directory', 'DATA_KEY', 'DATABASE_URL', 'JWT_SECRET', 'TWILIO_AUTH_TOKEN', 'SMTP_URL'));
});

describe('the role delivery', () => {
  it('cannot access files, programs, threads, addons or the inspector', () => assertRefusals('delivery'));

  it('has no database key, no database URL, no JWT key and no directory password', () =>
    assertEnvironment('delivery', 'DATA_KEY', 'DATABASE_URL', 'JWT_SECRET', 'LDAP_BIND_PASSWORD', 'SIGNAL_SERVER_URL'));
});

describe('the role signal', () => {
  it('cannot access files, programs, threads, addons or the inspector', () => assertRefusals('signal'));

  it('has no database key, no database URL, no JWT key and no secrets of the directory and of the providers', () =>
    assertEnvironment('signal', 'DATA_KEY', 'DATABASE_URL', 'JWT_SECRET', 'LDAP_BIND_PASSWORD', 'TWILIO_AUTH_TOKEN'));
});

describe('the role audit', () => {
  it('cannot access files, programs, threads, addons or the inspector', () => assertRefusals('audit'));

  it('has only the key of the audit log, and no address of Temporal or the database', () =>
    assertEnvironment(
      'audit',
      'PAYLOAD_KEY',
      'DATA_KEY',
      'DATABASE_URL',
      'JWT_SECRET',
      'TEMPORAL_ADDRESS',
      'SMTP_URL',
    ));
});

describe('the roles together', () => {
  it('complete a registration with their permissions', async () => {
    const registration = await completedRegistration(system, 400);
    const { body } = await must(registration.call('POST', '/session'), 201);
    assert.ok(body.accessToken);
  });

  it('are refused the same after that registration', async () => {
    for (const role of roles) {
      const before = processOf(role).output().length;
      processOf(role).signal('SIGUSR2');
      const again = await processOf(role).until((output) => probeAnswer(output.slice(before)));
      assertRefusals(role, again);
    }
  });
});

describe('SIGTERM', () => {
  /**
   * Grace period in which a worker finishes its activities, and the api its requests. Afterwards both may be cut off.
   */
  const graceMs = { worker: 10_000, api: 5000 };
  let people = 402;

  async function stopped(role: Role): Promise<void> {
    processOf(role).signal('SIGTERM');
    const how = await processOf(role).ended();
    assert.equal(how, 0, processOf(role).output().slice(-2000));
  }

  async function restarted(role: Role): Promise<void> {
    started.set(role, startRole(role, environmentFor(role)));
    await processOf(role).until(isStarted);
  }

  /**
   * Repeats a request on 503, as clients are told to. That happens when a worker is unavailable longer than an update
   * may take.
   */
  async function patiently(ask: () => Promise<Answer>, status = 200): Promise<Answer> {
    const answering = eventually(async () => {
      const answer = await ask();
      return answer.status === 503 ? undefined : answer;
    });
    return must(answering, status);
  }

  /** Completes a registration. */
  async function registered(person: number): Promise<void> {
    const { apiUrl, outboxUrl } = system.ready;
    const key = { 'Idempotency-Key': randomUUID() };
    const start = () => call(apiUrl, 'POST', '/api/v1/registrations', { body: {}, headers: key });
    const { registrationId, registrationToken } = (await patiently(start, 201)).body;
    const registration = registrationOf(apiUrl, registrationId, registrationToken);
    const { username, password } = numberedPerson(person);
    await patiently(() => registration.call('PUT', '/directory', { username, password }));
    await patiently(async () => registration.call('PUT', '/captcha', await solveCaptcha(apiUrl)));
    await patiently(() => registration.call('POST', '/codes', { channel: 'sms' }, key), 202);
    const code = await codeFor(outboxUrl, phoneOf(person), 1);
    await patiently(() => registration.call('PUT', '/code', { code }));
    const { body } = await patiently(() => registration.call('PUT', '/credentials', { password: goodPassword }, key));
    assert.equal(body.state, 'completed');
  }

  it('lets delivery finish a send in progress: one message, and its code is valid', async () => {
    const { apiUrl, outboxUrl } = system.ready;
    const { how, registration, output, typed, messages } = await unlessCut(graceMs.worker, async (stop) => {
      const person = people++;
      await setFault(outboxUrl, { channel: 'sms', mode: 'hold' });
      const registration = await registrationAtCode(apiUrl, person);
      stop.begin();
      await must(registration.call('POST', '/codes', { channel: 'sms' }), 202);
      await untilHeld(outboxUrl, { channel: 'sms' });
      const code = await codeFor(outboxUrl, phoneOf(person));
      processOf('delivery').signal('SIGTERM');
      await until(async () => (await fetch(`http://127.0.0.1:${healthPort}/health`)).status === 503);
      await setFault(outboxUrl, { channel: 'sms', mode: 'none' });
      const how = await processOf('delivery').ended();
      stop.end();
      const output = processOf('delivery').output();
      await restarted('delivery');
      const typed = await registration.call('PUT', '/code', { code });
      return { how, registration, output, typed, messages: await messagesTo(outboxUrl, phoneOf(person)) };
    });
    assert.equal(how, 0, output.slice(-2000));
    const sent = linesOf(output).findLast(({ event }) => event === 'code.sent');
    assert.equal(sent?.registrationId, registration.id);
    assert.equal(typed.status, 200);
    assert.equal(messages.length, 1);
  });

  it('ends each worker with code 0 while registrations run, and they continue on its successor', async () => {
    let isOver = false;
    const ends: string[] = [];
    const arrive = async () => {
      while (!isOver) ends.push(await registered(people++).then(() => 'completed', String));
    };
    const arriving = [arrive(), arrive()];
    for (const role of ['directory', 'registration', 'delivery'] as const) {
      const before = ends.length;
      await stopped(role);
      await restarted(role);
      await until(() => ends.length >= before + 2);
    }
    isOver = true;
    await Promise.all(arriving);
    assert.deepEqual(new Set(ends), new Set(['completed']));
  });

  it('ends the api with code 0 after it has answered the requests in progress', async () => {
    await using stores = await connectStores(system);
    const { apiUrl } = system.ready;
    const came = await unlessCut(graceMs.api, async (stop) => {
      const registration = await registrationAtCode(apiUrl, people++);
      const waiting = registration.call('GET', '?waitSeconds=30').then(({ body }) => body.state, String);
      await until(async () => ((await stores.redis.pubsub('CHANNELS', `*${registration.id}*`)) as string[]).length > 0);
      stop.begin();
      processOf('api').signal('SIGTERM');
      await processOf('api').until((output) => output.includes('process.stopping'));
      await executeUpdate({ temporal: stores.temporal }, registrationWorkflowId(registration.id), cancel, {
        args: [undefined],
      });
      const state = await waiting;
      const how = await processOf('api').ended();
      stop.end();
      await restarted('api');
      return { state, how };
    });
    assert.deepEqual(came, { state: 'cancelled', how: 0 });
  });

  it('logs process.stopped last', async () => {
    await stopped('directory');
    assert.equal(linesOf(processOf('directory').output()).at(-1)?.event, 'process.stopped');
  });

  it('also ends a worker that waits for Temporal', async () => {
    const lonely = startRole('delivery', { ...everybody, TEMPORAL_ADDRESS: '127.0.0.1:1' });
    await lonely.until((output) => output.includes('temporal.away'));
    lonely.signal('SIGTERM');
    const how = await lonely.ended();
    assert.ok(how === 0 || how === 'SIGTERM', `${how}`);
  });
});

describe('node workers/run.ts', () => {
  const run = (args: string[], env: Record<string, string> = {}) =>
    runNode([join('workers', 'run.ts'), ...args], { env });
  const given = () => JSON.parse(JSON.stringify(everybody)) as Record<string, string>;

  it('lists the roles when none or an unknown one is given', async () => {
    for (const args of [[], ['constructor']]) {
      const { code, stderr, stdout } = await run(args);
      assert.equal(code, 2);
      assert.equal(
        stderr,
        'usage: node workers/run.ts <role> [--compile-cache=<folder>]\n\nroles: api, gateway, registration, directory, delivery, signal, audit\n',
      );
      assert.equal(stdout, '');
    }
  });

  it('exits with one message that names every missing variable', async () => {
    for (const role of roles) {
      const { code, stderr, stdout } = await run([role]);
      assert.equal(code, 1);
      const required = variablesOf(role).filter(([, variable]) => variable.default === undefined);
      assert.equal(stderr.trimEnd().split('\n').length, required.length + 1, stderr);
      for (const [name] of required) assert.match(stderr, new RegExp(`${name} is missing`));
      assert.equal(stdout, '');
    }
  });

  it('exits with one message that names every bad variable and shows no value', async () => {
    const env = {
      ...given(),
      NODE_OPTIONS: '',
      JWT_SECRET: 'canary-short',
      PAYLOAD_KEY: 'canary-not-a-key',
      REGISTRATION_STEPS: 'directory,code,approval',
      REDIS_URL: 'http://canary:secret@127.0.0.1',
      SERVER_PORT: '',
    };
    const { code, stderr, stdout } = await run(['api'], env);
    assert.equal(code, 1);
    assert.match(stderr, /^Bad configuration of api:\n/);
    for (const name of ['JWT_SECRET must', 'PAYLOAD_KEY must', 'REDIS_URL must'])
      assert.ok(stderr.includes(name), stderr);
    assert.match(stderr, /REGISTRATION_STEPS Step approval is added automatically and must not be listed/);
    assert.equal(stderr.includes('canary') || stdout.includes('canary'), false);
  });

  it('refuses sample secrets in production', async () => {
    const sample = 'ZXhhbXBsZS1vbmx5LXBheWxvYWQta2V5LTMyLWJ5dGU=';
    const { code, stderr } = await run(['delivery'], {
      ...given(),
      NODE_OPTIONS: '',
      NODE_ENV: 'production',
      PAYLOAD_KEY: sample,
    });
    assert.equal(code, 1);
    assert.match(stderr, /PAYLOAD_KEY is a sample value/);
    assert.equal(stderr.includes(sample), false);
  });

  it('exits with a message when a variable requires others that are missing', async () => {
    const options = { ...given(), NODE_OPTIONS: '', TWILIO_FROM: '' };
    const { code, stderr, stdout } = await run(['delivery'], options);
    assert.equal(code, 1);
    assert.match(stderr + stdout, /TWILIO_ACCOUNT_SID needs TWILIO_AUTH_TOKEN and TWILIO_FROM/);
    assert.equal((stderr + stdout).includes(given().TWILIO_AUTH_TOKEN ?? '-'), false);
  });

  it('reads a variable from the file named by NAME_FILE, without the trailing newline', async () => {
    const file = join(system.folder.path, 'payload-key');
    writeFileSync(file, `${everybody.PAYLOAD_KEY}\n`);
    const { PAYLOAD_KEY: _, ...rest } = everybody;
    const env = scrubbedEnvironment('delivery', { ...rest, PAYLOAD_KEY_FILE: file });
    assert.equal(env.KEYS, scrubbedEnvironment('delivery', everybody).KEYS);
    assert.deepEqual(['PAYLOAD_KEY' in env, 'PAYLOAD_KEY_FILE' in env], [false, false]);
  });

  it('names every NAME_FILE whose file cannot be read', async () => {
    const { PAYLOAD_KEY: _, ...rest } = given();
    const env = { ...rest, NODE_OPTIONS: '', PAYLOAD_KEY_FILE: '/nowhere/key', REDIS_URL_FILE: '/nowhere/url' };
    const { code, stderr } = await run(['delivery'], env);
    assert.equal(code, 1);
    assert.match(stderr, /PAYLOAD_KEY_FILE cannot be read: ENOENT/);
    assert.match(stderr, /REDIS_URL_FILE cannot be read: ENOENT/);
  });

  it('becomes the process of the role: same pid, with its command and its environment only', async () => {
    const command = commandOf('delivery', scrubbedEnvironment('delivery', everybody));
    let seen: { command: string[]; names: string[] } | undefined;
    const { code } = await runNode([join('workers', 'run.ts'), 'delivery'], {
      env: { ...given(), NODE_OPTIONS: '' },
      onOutput(output, kill, pid) {
        if (seen !== undefined || !isStarted(output)) return;
        const read = (name: string) => readFileSync(`/proc/${pid}/${name}`, 'utf8').split('\0').filter(Boolean);
        seen = { command: read('cmdline').slice(1), names: read('environ').map((pair) => pair.split('=')[0] ?? '') };
        kill('SIGTERM');
      },
    });
    assert.equal(code, 0);
    assert.deepEqual(seen?.command, command);
    assert.deepEqual(seen?.names.sort(), Object.keys(scrubbedEnvironment('delivery', everybody)).sort());
  });

  it('gives a process that hashes passwords a thread for each hash, besides the usual ones', async () => {
    const threads = async (concurrency: string) => {
      const env = { ...given(), NODE_OPTIONS: '', TEMPORAL_ADDRESS: '127.0.0.1:1', ARGON2_CONCURRENCY: concurrency };
      let seen: string | undefined;
      await runNode([join('workers', 'run.ts'), 'registration'], {
        env,
        onOutput(output, kill, pid) {
          if (!output.includes('argon2.chosen')) return;
          seen = /UV_THREADPOOL_SIZE=(\d+)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1];
          kill('SIGKILL');
        },
      });
      return Number(seen);
    };
    assert.equal(await threads('5'), 9);
    assert.equal(await threads(''), availableParallelism() + 4);
  });
});
