/** The client that docs/messaging.md shows, run as it stands there. */
import { readFileSync } from 'node:fs';
import { io } from 'socket.io-client';
import type { ReceivedMessage, SentMessage } from '../../contract/messages.ts';
import { type ClientSocket, contentOf, type TestDevice } from './messages.ts';
import { until } from './until.ts';

/** What the page leaves to the application. */
interface Application {
  origin: string;
  accessToken: () => string;
  store: (message: ReceivedMessage) => void;
  tellGap: (gap: unknown) => void;
  refreshToken: () => Promise<string>;
  stop: (reason: string) => void;
  userId: string;
  devices: readonly Pick<TestDevice, 'deviceId' | 'registrationId'>[];
  encrypted: (deviceId: string) => string;
}

type Ran = { socket: ClientSocket; data?: SentMessage; error?: Record<string, unknown> };

const AsyncFunction = Object.getPrototypeOf(async () => undefined).constructor;

/** Runs the blocks of the page in their order. */
async function runPage(application: Application): Promise<Ran> {
  const page = readFileSync(new URL('../../docs/messaging.md', import.meta.url), 'utf8');
  const code = [...page.matchAll(/```js\n(.*?)```/gs)].map(([, block]) => block).join('\n');
  const names = Object.keys(application);
  const body = `${code.replace(/^import .*$/gm, '')}\nreturn { socket, data, error };`;
  return new AsyncFunction('io', ...names, body)(io, ...Object.values(application));
}

/**
 * Connects two devices, each with the client of the page, lets the first one write to the second one, and returns the answer
 * and what the second one got.
 */
export async function writeByPage(
  origin: string,
  [sender, recipient]: readonly [TestDevice, TestDevice],
): Promise<{ answer: Omit<Ran, 'socket'>; got: ReceivedMessage }> {
  const stored: ReceivedMessage[] = [];
  const applicationOf = (own: TestDevice, other: TestDevice): Application => ({
    origin,
    accessToken: () => own.token,
    store: (message) => void (own === recipient && stored.push(message)),
    tellGap: () => undefined,
    refreshToken: async () => own.token,
    stop: () => undefined,
    userId: other.userId,
    devices: [other],
    encrypted: () => contentOf('written by the page'),
  });
  const first = await runPage(applicationOf(sender, recipient));
  const second = await runPage(applicationOf(recipient, sender));
  try {
    await until(async () => stored.length > 0);
    const { socket: _socket, ...answer } = first;
    return { answer, got: stored[0] as ReceivedMessage };
  } finally {
    first.socket.disconnect();
    second.socket.disconnect();
  }
}
