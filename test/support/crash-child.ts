/**
 * Two devices on file stores that send to each other, in a process that ends itself before one of its callbacks: each await
 * has one. Run by test/support/crash-runs.ts.
 *
 *     node test/support/crash-child.ts <folder> <messages> <callback at which it ends, 0 for never>
 */
import { createHook } from 'node:async_hooks';
import { access, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { fromBase64, utf8 } from '../../client/bytes.ts';
import { openFileStore } from '../../client/file-store.ts';
import { createMailbox, type Mailbox } from '../../client/mailbox.ts';
import type { OutgoingMessage } from '../../client/store.ts';
import { testStart } from './crypto-devices.ts';

const [folder = '', messages = '0', killAt = '0'] = process.argv.slice(2);
let callbacks = 0;
createHook({
  init() {},
  before() {
    callbacks += 1;
    if (callbacks === Number(killAt)) process.kill(process.pid, 'SIGKILL');
  },
}).enable();

{
  await using alice = await openFileStore(join(folder, 'alice.json'));
  await using bob = await openFileStore(join(folder, 'bob.json'));
  const [one, other] = [alice, bob].map((store) => createMailbox(store, { now: () => testStart }));
  if (one === undefined || other === undefined) throw new Error('there are two devices');
  await send('alice', one, 'bob');
  await receive('alice', other);
  await send('bob', other, 'alice');
  await receive('bob', one);
}
console.log(callbacks);

/** Queues what the application has not sent, and sends the outbox. */
async function send(userId: string, mailbox: Mailbox, to: string): Promise<void> {
  for (let number = Math.max(0, Number(messages) - 3); number < Number(messages); number += 1) {
    const clientMessageId = `${userId}-${String(number).padStart(4, '0')}`;
    if (await exists(join(folder, 'wire', clientMessageId))) continue;
    await mailbox.queue({ clientMessageId, userId: to, deviceIds: ['1'], plain: utf8(clientMessageId) });
  }
  for (const outgoing of await mailbox.outbox()) {
    await transmit(outgoing);
    await mailbox.confirm(outgoing.clientMessageId);
  }
}

/** The server: it keeps a message once, and refuses another one under the same id. */
async function transmit({ clientMessageId, messages: [message] }: OutgoingMessage): Promise<void> {
  const path = join(folder, 'wire', clientMessageId);
  const content = message?.content ?? '';
  if (!(await exists(path))) return await writeWhole(path, content);
  if ((await readFile(path, 'utf8')) !== content) throw new Error(`${clientMessageId} was encrypted twice`);
}

/** Receives, acknowledges, and gives the text to the application, which keeps it in a file. */
async function receive(from: string, mailbox: Mailbox): Promise<void> {
  const at = new Date(testStart).toISOString();
  for (const messageId of (await readdir(join(folder, 'wire'))).sort()) {
    if (!messageId.startsWith(`${from}-`) || messageId.endsWith('.new')) continue;
    if (await exists(join(folder, 'acknowledged', messageId))) continue;
    const content = await readFile(join(folder, 'wire', messageId), 'utf8');
    const sender = { userId: from, deviceId: '1' };
    const result = await mailbox.receive({
      messageId,
      from: sender,
      type: 'message',
      content,
      timestamp: at,
      serverTimestamp: at,
    });
    if (result.kind === 'undecryptable') throw new Error(`${messageId} does not open`);
    await writeWhole(join(folder, 'acknowledged', messageId), '');
  }
  const received = await mailbox.received();
  if (new Set(received.map(({ plain }) => plain)).size < received.length) throw new Error('a message was kept twice');
  for (const { messageId, plain } of received) {
    await writeWhole(join(folder, 'application', messageId), new TextDecoder().decode(fromBase64(plain)));
    await mailbox.take(messageId);
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
