import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Tokens } from '../../contract/schemas.ts';
import { withPolicy } from '../../engines/demo-api.ts';
import type { System } from '../../engines/system.ts';
import { runBlock, shellBlocks, stepsByHand } from '../support/readme.ts';
import { createRestClient } from '../support/rest-client.ts';
import { startTestSystem } from '../support/system.ts';
import { eventually, until } from '../support/until.ts';

const program = resolve(import.meta.dirname, '../../engines/demo.ts');

describe('npm run demo', () => {
  let system: System;
  before(async () => {
    const steps = 'directory,captcha,code,credentials,device';
    system = await startTestSystem({ env: { REGISTRATION_STEPS: steps } });
  });
  after(() => system.stop());

  it('registers a user and shows every call without secrets', async () => {
    const { code, output } = await demo('--folder', system.folder.path, '--person', 'joan');
    assert.equal(code, 0, output);
    assert.match(output, /→ POST \/api\/v1\/registrations\n/);
    assert.match(
      output,
      /→ PUT \/api\/v1\/registrations\/\w+\/directory\n +\{ username: 'joan', password: '••••••••' \}/,
    );
    assert.match(output, /→ GET \/api\/v1\/users\/me\n← 200/);
    assert.match(output, /joan has an account/);
    const [calls = ''] = output.split('Web app:');
    assert.doesNotMatch(calls, /bletchley-1944|violet-harbour|eyJ\w{20}/);
    const digits = /^┃ Six digits: (\d{6})$/m.exec(output)?.[1];
    assert.match(output, /^┃ QR text: http:\S+#1\.\w+\.[\w-]{43}$/m);
    assert.match(output, new RegExp(`^Six digits: ${digits}, typed on the first device$`, 'm'));
    assert.match(output, /1 {2}Telephone, by the registration, 100 \+ 100 one-time keys/);
    assert.match(output, /2 {2}Laptop, linked by device 1, 100 \+ 100 one-time keys/);
    assert.match(output, /Messages to joan@example.org so far: 1 with a code/);
    assert.ok(output.includes(`Web app: ${system.ready.apiUrl}/app`));
    assert.deepEqual(await talkersIn(output), ['ada', 'grace']);
    assert.match(output, /^ {2}ada to grace: http:\S+\/app#\/chat\?with=[\w-]+&name=grace$/m);
  });

  it('links a device by hand in two terminals, with the text of one and the digits of the other', async () => {
    const folder = ['--folder', system.folder.path];
    const joining = start('device', ...folder);
    const text = await joining.find(/^QR text: (\S+)/m);
    const approving = start('link', text, ...folder);
    await approving.find(/(Six digits of the new device)/);
    approving.type(`${await joining.find(/^Six digits: (\d{6})/m)}\n`);
    assert.deepEqual([await approving.ended, await joining.ended], [0, 0]);
    assert.match(joining.output(), /This is device 3 of the account now/);
  });

  it('continues with the next users when some already have accounts', async () => {
    const { code, output } = await demo('--folder', system.folder.path, '--person', 'joan');
    assert.equal(code, 0, output);
    assert.match(output, /joan has an account already; continuing/);
    assert.match(output, /person000 has an account\./);
    assert.deepEqual(await talkersIn(output), ['person001', 'person002']);
  });

  it('ends with a sentence when the server refuses a call', async () => {
    const unknown = `${system.ready.apiUrl}/app/link#1.${'0'.repeat(32)}.${'A'.repeat(43)}`;
    const { code, output } = await demo('--folder', system.folder.path, 'link', unknown);
    assert.equal(code, 1);
    assert.match(output, /The server refused the last call above: Not found \(404 NOT_FOUND\)\n$/);
  });

  it('leaves the calls of the README by hand working, twice in a row', async () => {
    const { folder, ready } = system;
    const [, byHand = ''] = shellBlocks();
    await withPolicy(folder.path, stepsByHand(), async (apiUrl) => {
      const first = await runBlock(byHand, { ...ready, apiUrl });
      // the block takes a person by the second
      await until(() => Math.floor(Date.now() / 1000) > first.endedAtSecond);
      const second = await runBlock(byHand, { ...ready, apiUrl });
      for (const { output } of [first, second]) {
        assert.match(output, /"state":"completed"[\s\S]*"accessToken":"eyJ/, output);
        assert.doesNotMatch(output, /error_code/);
      }
    });
  });

  /** Signs in the two people as browsers do, and checks that they may write to each other. Returns their names. */
  async function talkersIn(output: string): Promise<string[]> {
    const people = [...output.matchAll(/^ {2}(\w+) +password (\S+)/gm)].map(([, name = '', password = '']) => ({
      name,
      password,
    }));
    const api = createRestClient(system.ready.apiUrl);
    const signedIn = await Promise.all(
      people.map(async ({ name: identifier, password }) => {
        const { body } = await api.beginLogIn({ body: { identifier, password } });
        return body as Tokens;
      }),
    );
    const [one, other] = signedIn;
    assert.ok(one && other);
    for (const [{ accessToken }, { user }] of [
      [one, other],
      [other, one],
    ] as const) {
      const { body } = await api.readConversation({ token: accessToken, userId: user.userId });
      assert.deepEqual(body, { state: 'accepted', receipts: true });
      assert.deepEqual((await api.listDevices({ token: accessToken })).body, { items: [] }, 'the browser is the first');
    }
    return people.map(({ name }) => name);
  }

  it('registers by the steps of another policy', async () => {
    const other = await startTestSystem({ env: { REGISTRATION_STEPS: 'code' } });
    const { code, output } = await demo('--folder', other.folder.path, '--person', 'grace');
    await other.stop();
    assert.equal(code, 0, output);
    assert.match(output, /grace has an account\./);
    assert.doesNotMatch(output, /already|directory/);
  });

  it('registers a number at the fake Signal-Server with --signal, by an api that it starts', async () => {
    await using other = await startTestSystem({ roles: ['api', 'registration', 'directory', 'delivery', 'signal'] });
    const { code, output } = await demo('--folder', other.folder.path, '--signal', '--person', 'grace');
    assert.equal(code, 0, output);
    assert.match(output, /→ PUT \/api\/v1\/registrations\/\w+\/signal\n/);
    assert.match(output, /number: '\+12025550102'/);
    assert.match(output, /has one-time keys: \{"count":3,"pqCount":3\}/);
    assert.match(output, /grace has an account\./);
  });

  it('explains what to do when no system runs, and lists the users when a name is unknown', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vyry-demo-'));
    const nothing = await demo('--folder', folder);
    assert.equal(nothing.code, 1);
    assert.match(nothing.output, /npm start/);
    rmSync(folder, { recursive: true });
    const nobody = await demo('--folder', system.folder.path, '--person', 'eve');
    assert.equal(nobody.code, 1);
    assert.match(nobody.output, /There is no demo person eve; try ada, grace, joan/);
  });
});

/** Starts the demo in a terminal of its own. */
function start(...args: string[]) {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  return {
    ended: once(child, 'exit').then(([code]) => code),
    output: () => output,
    type: (text: string) => child.stdin.end(text),
    find: (pattern: RegExp): Promise<string> => eventually(() => pattern.exec(output)?.[1]),
  };
}

function demo(...args: string[]): Promise<{ code: unknown; output: string }> {
  return new Promise((done) => {
    execFile(process.execPath, [program, ...args], (err, stdout, stderr) =>
      done({ code: err?.code ?? 0, output: stdout + stderr }),
    );
  });
}
