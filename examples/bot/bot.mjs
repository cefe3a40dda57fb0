/**
 * A bot that answers whoever writes to it: `NAME=… PASSWORD=… node examples/bot/bot.mjs`. Its account is one as every other;
 * its state is in `bot.json`. SIGINT or SIGTERM ends it, and nothing is lost: what it has not answered comes again.
 */
import process from 'node:process';
import { createVyry, hasCode } from '@vyry/client';
import { openFileStore } from '@vyry/client/file-store';

const { ORIGIN = 'http://127.0.0.1:8000', NAME = '', PASSWORD = '', STATE = 'bot.json' } = process.env;

const store = await openFileStore(STATE);
const vyry = createVyry({ origin: ORIGIN, store });

const session = await vyry.calls.readSession().catch(async (err) => {
  if (!hasCode(err, 'SIGNED_OUT')) throw err;
  await vyry.signIn({ identifier: NAME, password: PASSWORD });
  return await vyry.calls.readSession();
});
if (session.deviceId === null) await vyry.devices.add('bot');

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => vyry.close());
vyry.on('error', (err) => console.error(err.code, err.requestId ?? '', err.message));
vyry.connect();
console.log(`The bot is ${session.userId}`);

for await (const message of vyry.messages()) {
  if (message.isOwn || message.text === undefined) continue;
  // the id of the answer follows from the message: after a crash it is answered once
  await vyry.send(message.userId, answerTo(message.text), { clientMessageId: `answer-${message.messageId}` });
}
await vyry.close();
await store[Symbol.asyncDispose]();

function answerTo(text) {
  return text === '/time' ? new Date().toISOString() : `You wrote ${text.length} characters: ${text}`;
}
