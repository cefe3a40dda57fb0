/**
 * A process with one client, which prints what it has done. It never calls `process.exit`: after `close` nothing keeps it.
 *
 *     node test/support/sdk-child.ts <origin> <state file> queue <user id> <text>   ends by a signal of its parent
 *     node test/support/sdk-child.ts <origin> <state file> answer                   answers one message and closes
 */
import process from 'node:process';
import { openFileStore } from '../../client/file-store.ts';
import { createVyry } from '../../client/vyry.ts';

const [origin = '', file = '', act = '', userId = '', text = ''] = process.argv.slice(2);
const store = await openFileStore(file);
const vyry = createVyry({ origin, store });
vyry.connect();
if (act === 'queue') {
  await vyry.send(userId, text, { clientMessageId: 'queued' });
  console.log('queued');
} else {
  for await (const message of vyry.messages()) {
    const { sent } = await vyry.send(message.userId, `you said: ${message.text}`);
    await sent;
    console.log('answered');
    break;
  }
  // what was under way is ended, not left
  const forever = vyry.calls.listLinkRequests({ query: { waitSeconds: '30' } }).catch((err) => err.code);
  await vyry.close();
  await store[Symbol.asyncDispose]();
  console.log(await forever);
}
