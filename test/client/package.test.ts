/** The package of client/, and the examples that use it. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { codeFor } from '../support/client.ts';
import { personOf } from '../support/journey.ts';
import { projectFolder } from '../support/node-process.ts';
import { goodPassword } from '../support/registrations.ts';
import * as sdk from '../support/sdk.ts';
import { withSystem } from '../support/with-system.ts';

const { url, outboxUrl, account } = await withSystem({
  REGISTRATION_STEPS: 'directory,captcha,code,credentials,device',
  JWT_ALGORITHM: 'EdDSA',
  JWT_KEYS: Buffer.alloc(32, 7).toString('base64'),
});
const run = promisify(execFile);
const folder = await mkdtemp(join(tmpdir(), 'vyry-package-'));
before(install);
after(() => rm(folder, { recursive: true }));

/** Builds and packs the package, and installs it in the empty folder with what it declares to need, from what is installed here. */
async function install(): Promise<void> {
  await run(process.execPath, ['engines/client-package.ts'], { cwd: projectFolder });
  const { stdout } = await run('npm', ['pack', '-w', '@vyry/client', '--pack-destination', folder, '--silent'], {
    cwd: projectFolder,
  });
  const installed = join(folder, 'node_modules/@vyry/client');
  await mkdir(installed, { recursive: true });
  await run('tar', [
    '-xzf',
    join(folder, stdout.trim().split('\n').at(-1) ?? ''),
    '--strip-components=1',
    '-C',
    installed,
  ]);
  const { dependencies } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
  for (const name of Object.keys(dependencies)) {
    const link = join(folder, 'node_modules', name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(projectFolder, 'node_modules', name), link);
  }
}

/** How a program is started. */
interface StartOptions {
  args?: string[];
  env?: Record<string, string>;
  cwd?: string;
}

/** Starts a program in the folder: what it prints and is typed. */
function start(file: string, { args = [], env = {}, cwd = folder }: StartOptions = {}) {
  const child = spawn(process.execPath, [file, ...args], { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  child.stderr.on('data', (data) => {
    errors += data;
  });
  let isEnded = false;
  const ended = once(child, 'exit').finally(() => {
    isEnded = true;
  });
  return {
    /** Rejects when the program ends by itself. */
    async failure(): Promise<never> {
      await ended;
      throw new Error(`${file} has ended: ${errors}`);
    },
    async find(pattern: RegExp): Promise<RegExpExecArray> {
      for (;;) {
        const found = pattern.exec(output);
        if (found) return found;
        assert.equal(isEnded, false, `${file} has ended: ${errors}`);
        await Promise.race([once(child.stdout, 'data'), ended]);
      }
    },
    /** Types a line, whether it is asked for or not. */
    type(line: string): void {
      child.stdin.write(`${line}\n`);
    },
    async stop(): Promise<number | null> {
      child.kill('SIGTERM');
      const [code] = await ended;
      return code;
    },
    /** Resolves when the program has ended by itself. */
    async end(): Promise<{ code: number | null; errors: string }> {
      const [code] = await ended;
      return { code, errors };
    },
  };
}

/** A connected device of a new person. */
async function person(index: number): Promise<sdk.OwnedDevice> {
  const device = await sdk.firstDevice({ url, account }, index);
  device.vyry.connect();
  await sdk.untilStatus(device, 'connected');
  return device;
}

describe('the package @vyry/client', () => {
  it('installed in an empty folder, sends the first message by the ten lines of its README', async () => {
    const readme = await readFile(join(folder, 'node_modules/@vyry/client/README.md'), 'utf8');
    const [, code = ''] = /```js\n([\s\S]*?)\n```/.exec(readme) ?? [];
    assert.ok(code.trim().split('\n').filter(Boolean).length < 10, code);
    await writeFile(join(folder, 'first.mjs'), code);
    const bob = await person(1);
    await using _closing = bob.vyry;
    const { name } = await account(0);
    const program = start('first.mjs', {
      env: { ORIGIN: url, NAME: name, PASSWORD: goodPassword, PEER: bob.userId },
    });
    const arrived = await Promise.race([sdk.reader(bob)(), program.failure()]);
    assert.equal(arrived.text, 'Hello!');
    await bob.vyry.send(arrived.userId, 'Hello to you');
    await program.find(new RegExp(`${bob.userId}: Hello to you`));
    await program.stop();
  });

  it('loads no schema: zod is there for types only', async () => {
    const loaded = `
      import { registerHooks } from 'node:module';
      registerHooks({ load: (url, context, next) => { if (/zod/.test(url)) throw new Error(url); return next(url, context); } });
      const { createVyry, createMemoryStore } = await import('@vyry/client');
      console.log(typeof createVyry({ origin: 'http://127.0.0.1', store: createMemoryStore() }).calls.listDevices);`;
    await writeFile(join(folder, 'loaded.mjs'), loaded);
    const { stdout } = await run(process.execPath, ['loaded.mjs'], { cwd: folder });
    assert.equal(stdout.trim(), 'function');
  });
});

describe('the examples', () => {
  it('bot answers, once for each message', async () => {
    const ada = await person(11);
    await using _closing = ada.vyry;
    const { name, userId } = await account(10);
    const env = { ORIGIN: url, NAME: name, PASSWORD: goodPassword, STATE: join(folder, 'bot.json') };
    const bot = start(join(projectFolder, 'examples/bot/bot.mjs'), { env, cwd: projectFolder });
    await bot.find(new RegExp(`The bot is ${userId}`));
    await (await ada.vyry.send(userId, 'ping')).sent;
    const toAda = sdk.reader(ada);
    assert.equal((await toAda()).text, 'You wrote 4 characters: ping');
    assert.equal(await bot.stop(), 0, 'it ends by itself');
  });

  it('chat registers one person, signs another one in, and carries what both type, also after one was away', async () => {
    const { username, password, phone } = personOf(20);
    const { name, userId: grace } = await account(21);
    const chat = (user: string) => start(join(projectFolder, 'examples/chat/chat.mjs'), { args: [user, url] });
    const ofAda = chat(username);
    ofAda.type(password);
    const code = await codeFor(outboxUrl, phone);
    // the first code is a wrong one
    for (const line of [code === '000000' ? '000001' : '000000', code, goodPassword, `/to ${grace}`]) ofAda.type(line);
    const [, ada = ''] = await ofAda.find(/You are (\S+)\./);

    const ofGrace = chat(name);
    for (const line of [goodPassword, `/to ${ada}`, 'Hello Ada']) ofGrace.type(line);
    await ofAda.find(new RegExp(`^${grace}: Hello Ada$`, 'm'));
    ofAda.type('Hello Grace');
    await ofGrace.find(new RegExp(`^${ada}: Hello Grace$`, 'm'));
    await ofAda.find(/^✓✓ read$/m);
    ofGrace.type('/number');
    const [number] = await ofGrace.find(/^(\d{5} ){11}\d{5}$/m);
    ofAda.type('/number');
    assert.equal((await ofAda.find(/^(\d{5} ){11}\d{5}$/m))[0], number);

    ofAda.type('/quit');
    assert.deepEqual(await ofAda.end(), { code: 0, errors: '' });
    ofGrace.type('Written while Ada was away');
    const again = chat(username);
    await again.find(new RegExp(`^${grace}: Written while Ada was away$`, 'm'));
    for (const program of [again, ofGrace]) program.type('/quit');
    for (const program of [again, ofGrace]) assert.deepEqual(await program.end(), { code: 0, errors: '' });
  });

  it('express-app accepts the access tokens of Vyry by its public keys, and no others', async () => {
    const { vyry, store } = await sdk.firstDevice({ url, account }, 12);
    await using _closing = vyry;
    const { accessToken = '' } = (await store.transaction(({ tokens }) => tokens)) ?? {};
    const app = start(join(projectFolder, 'examples/express-app/app.mjs'), {
      env: { VYRY: url, PORT: '0' },
      cwd: projectFolder,
    });
    const [, port] = await app.find(/Listening on (\d+)/);
    const hello = (token: string) =>
      fetch(`http://127.0.0.1:${port}/hello`, { headers: { authorization: `Bearer ${token}` } });
    const accepted = await hello(accessToken);
    const { userId } = await vyry.calls.readSession();
    assert.deepEqual([accepted.status, (await accepted.json()).hello], [200, userId]);
    assert.equal((await hello(`${accessToken.slice(0, -6)}AAAAAA`)).status, 401);
    assert.equal((await hello('')).status, 401);
    await app.stop();
  });
});
