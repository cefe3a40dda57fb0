/**
 * A chat in the terminal: `node examples/chat/chat.mjs <user name> [address of the server]`.
 *
 * The first start registers the person on this computer, or signs in; the state is kept in a file of the user name. Two people in two
 * terminals, on the system that `npm start` runs: person101 with the directory password person-101, and person102 with
 * person-102. Codes are shown at http://127.0.0.1:8025. It needs Node 22; `npx node` is that of the packages here.
 */
import { hostname } from 'node:os';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { createVyry, hasCode } from '@vyry/client';
import { openFileStore } from '@vyry/client/file-store';
import { solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';

const [name, origin = 'http://127.0.0.1:8000'] = process.argv.slice(2);
if (name === undefined) throw new Error('usage: node examples/chat/chat.mjs <user name> [address of the server]');

const terminal = createInterface({ input: process.stdin });
// one iterator from the beginning on: a line that was typed before its question is not lost
const lines = terminal[Symbol.asyncIterator]();
const store = await openFileStore(`.vyry/chat/${name}.json`);
const vyry = createVyry({ origin, store });

const userId = await ownId();
vyry.on('refused', ({ error }) => show(`Not sent: ${error.message}. ${error.remedy}`));
vyry.on('receipt', ({ kind }) => show(kind === 'read' ? '✓✓ read' : '✓ delivered'));
vyry.on('identity-changed', ({ userId: other }) => show(`${other} has another identity key: compare /number again`));
vyry.state.subscribe(({ kind }) => show(`[${kind}]`));
vyry.connect();
show(`You are ${userId}. Write "/to <user id>" to begin, "/number" for the safety number, "/quit" to end.`);
void printMessages();
await readLines();
await vyry.close();
await store[Symbol.asyncDispose]();
terminal.close();

/** Returns the next line that is typed. */
async function ask(question) {
  process.stdout.write(question);
  const { value, done } = await lines.next();
  if (done) throw new Error('The input has ended');
  return value;
}

/** Returns the user id of this device, which becomes one of the account first if it is none. */
async function ownId() {
  const session = await vyry.calls.readSession().catch(async (err) => {
    if (!hasCode(err, 'SIGNED_OUT')) throw err;
    await enter();
    return await vyry.calls.readSession();
  });
  if (session.deviceId === null) await addDevice();
  return session.userId;
}

/** Signs in, or registers whoever has no account. */
async function enter() {
  const password = await ask('Password (that of the directory for a new account): ');
  try {
    const pending = await vyry.signIn({ identifier: name, password });
    if (pending) await vyry.verifySignIn({ loginId: pending.loginId, code: await ask('Code: ') });
  } catch (err) {
    if (!hasCode(err, 'UNAUTHORIZED')) throw err;
    await register(password);
  }
}

/** Does the steps that the policy of the server asks for. */
async function register(password) {
  const flow = await vyry.register({});
  const steps = {
    directory: () => flow.verifyDirectory({ username: name, password }),
    captcha: async () => flow.verifyCaptcha(await solveCaptcha()),
    code: async ({ nextCheckAt }) => {
      if (nextCheckAt === null) await flow.sendCode({ channel: 'sms' });
      return await flow.verifyCode(await ask('Code of the SMS: '));
    },
    credentials: async () => flow.submitCredentials({ password: await ask('New password: ') }),
    device: () => flow.submitDevice(hostname()),
  };
  for (;;) {
    const registration = await flow.read();
    const open = registration.steps.find(({ status }) => status === 'open');
    if (open === undefined) return await flow.finish();
    const step = steps[open.name];
    if (step === undefined) throw new Error(`This example cannot do the step ${open.name}`);
    await step(registration).catch((err) => {
      if (!hasCode(err, 'INVALID_OTP', 'INVALID_REQUEST')) throw err;
      show(`${err.message}. ${err.remedy}`);
    });
  }
}

/** Proves some work to the server. */
async function solveCaptcha() {
  const { provider, challenge } = await vyry.calls.offerCaptcha();
  const solution = await solveChallenge({ challenge, deriveKey });
  return { provider, token: Buffer.from(JSON.stringify({ challenge, solution })).toString('base64') };
}

/** The first device is added by the session; a further one is linked by one that the account has. */
async function addDevice() {
  if ((await vyry.devices.list()).length === 0) return await vyry.devices.add(hostname());
  const link = await vyry.devices.requestLink(hostname());
  show(`Link this device on another one, with this text: ${link.qrText}`);
  show(`Type these digits there: ${await link.code()}`);
  await link.complete();
}

/** Prints what arrives, and tells the senders. */
async function printMessages() {
  for await (const message of vyry.messages()) {
    show(message.isOwn ? `→ ${message.userId}: ${message.text}` : `${message.userId}: ${message.text}`);
    if (!message.isOwn) await vyry.sendReceipt(message.userId, [message.messageId], 'read');
  }
}

/** Sends the lines that are typed. */
async function readLines() {
  let peer;
  for await (const line of lines) {
    const [command, argument] = line.trim().split(/\s+/, 2);
    if (command === '/quit') return;
    if (command === '/to') peer = argument;
    else if (peer === undefined) show('Write "/to <user id>" first.');
    else if (command === '/number') await vyry.identities.safetyNumber(peer).then(showNumber, showError);
    else if (line.trim() !== '') await vyry.send(peer, line);
  }
}

function showNumber({ digits, isVerified }) {
  show(`${digits.match(/.{5}/g).join(' ')}${isVerified ? ' (compared)' : ''}`);
}

function showError({ message, remedy }) {
  show(`${message}. ${remedy}`);
}

function show(text) {
  process.stdout.write(`${text}\n`);
}
