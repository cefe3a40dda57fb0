/**
 * Records the histories that test/journeys/replay.test.ts replays: `npx node test/support/record-histories.ts [name
 * …]`, all of them without a name.
 *
 * Record them again in the change that alters workflows/registration.ts, if no running registration has to survive that
 * change. Otherwise keep the old histories and patch the workflow. The recording uses a system of its own with a
 * published payload key, so that everyone can read the histories.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Payload } from '@temporalio/common';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { createPayloadCodec } from '../../adapters/temporal/codec.ts';
import { openTemporaryFolder } from '../../engines/data-folder.ts';
import { readSecrets } from '../../engines/secrets.ts';
import { type System, startSystemIn } from '../../engines/system.ts';
import { Secret } from '../../platform/config/secret.ts';
import { createCipher } from '../../platform/crypto.ts';
import { codeFor } from './client.ts';
import { setFault } from './faults.ts';
import { historiesFolder, historiesKey } from './histories.ts';
import { createJourney, type Journey, personOf } from './journey.ts';
import { connectStores, type Stores } from './stores.ts';
import { until } from './until.ts';

interface JsonPayload {
  metadata: Record<string, string>;
  data: string;
}

const codec = createPayloadCodec(createCipher('temporal', new Secret(historiesKey)));

type Story = (journey: Journey, system: System) => Promise<void>;

/** Shorter than any story except the one that waits for expiry. */
const ttlSeconds = 30;

const stories: Record<string, Story> = {
  async good(journey) {
    await journey.walk('session');
  },

  async 'wrong-password-and-code'(journey, system) {
    const { username, phone } = journey.person;
    await journey.walk('start');
    await journey.registration?.call('PUT', '/directory', { username, password: 'not-this-one' });
    await journey.walk('send');
    const code = await codeFor(system.ready.outboxUrl, phone);
    await journey.registration?.call('PUT', '/code', { code: code === '000000' ? '000001' : '000000' });
    await new Promise((done) => setTimeout(done, 1100));
    await journey.registration?.call('POST', '/codes', { channel: 'sms' });
    await codeFor(system.ready.outboxUrl, phone, 2);
    await journey.walk('session');
  },

  async waiting(journey, system) {
    const { username, password } = journey.person;
    await journey.walk('start');
    await system.engines?.ldap.process?.kill();
    await journey.registration?.call('PUT', '/directory', { username, password });
    await untilWaitingFor(journey, 'directory');
    await system.engines?.ldap.process?.start();
    await until(async () => (await journey.registration?.call('GET', ''))?.body.steps[0].status === 'done');
    journey.skip(journey.answerOf('start'));
    await journey.walk('captcha');
    await setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'error500' });
    await journey.walk('send');
    await untilWaitingFor(journey, 'sms');
    await setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'none' });
    await journey.walk('code');
    await system.engines?.mongo.process?.kill();
    await journey.walk('credentials');
    await untilWaitingFor(journey, 'database');
    await system.engines?.mongo.process?.start();
    await untilState(journey, 'completed');
  },

  async expired(journey) {
    await journey.walk('captcha');
    await untilState(journey, 'expired');
  },

  async cancelled(journey) {
    await journey.walk('send');
    await journey.registration?.call('DELETE', '');
  },

  async 'identity-taken'(journey, system) {
    // without a PIN, so the account is not locked
    await register(createJourney(system.ready, journey.person));
    await journey.walk('send');
    await codeFor(system.ready.outboxUrl, journey.person.phone, 2);
    await journey.walk('code');
    const { newPassword: password } = journey.person;
    await journey.registration?.call('PUT', '/credentials', { password });
    await untilState(journey, 'rejected');
  },

  async locked(journey, system) {
    await createJourney(system.ready, journey.person).walk('credentials');
    await journey.walk('send');
    await codeFor(system.ready.outboxUrl, journey.person.phone, 2);
    await journey.walk('credentials');
    await journey.registration?.call('PUT', '/approval', { pin: '000000' });
    await journey.registration?.call('PUT', '/approval', { pin: journey.person.pin });
    await untilState(journey, 'completed');
  },
};

async function register(journey: Journey): Promise<void> {
  await journey.walk('code');
  await journey.registration?.call('PUT', '/credentials', { password: journey.person.newPassword });
  await untilState(journey, 'completed');
}

async function record(system: System, stores: Stores, name: string, index: number): Promise<void> {
  const journey = createJourney(system.ready, personOf(index));
  await stories[name]?.(journey, system);
  const handle = stores.temporal.workflow.getHandle(`registration:${journey.registration?.id}`);
  await handle.result();
  const history = JSON.parse(historyToJSON(await handle.fetchHistory())) as { events: unknown[] };
  await forgetMachine(history);
  writeFileSync(resolve(historiesFolder, `${name}.json`), `${JSON.stringify(history, null, 1)}\n`);
  console.log(`${name}: ${history.events.length} events`);
}

/** Removes machine details: process names, and paths in stack traces. */
async function forgetMachine(part: unknown): Promise<void> {
  if (typeof part !== 'object' || part === null) return;
  const fields = part as Record<string, unknown>;
  if (typeof fields.identity === 'string') fields.identity = 'recorded';
  if (fields.encodedAttributes) fields.encodedAttributes = await withoutStack(fields.encodedAttributes as JsonPayload);
  for (const inside of Object.values(fields)) await forgetMachine(inside);
}

async function withoutStack(attributes: JsonPayload): Promise<JsonPayload> {
  const [clear] = await codec.decode([fromJson(attributes)]);
  const { message } = JSON.parse(Buffer.from(clear?.data ?? []).toString());
  const data = Buffer.from(JSON.stringify({ message, stack_trace: '' }));
  const [encrypted] = await codec.encode([{ ...clear, data }]);
  return toJson(encrypted ?? {});
}

function fromJson({ metadata, data }: JsonPayload): Payload {
  return { metadata: mapValues(metadata, (text) => Buffer.from(text, 'base64')), data: Buffer.from(data, 'base64') };
}

function toJson({ metadata, data }: Payload): JsonPayload {
  const inBase64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  return { metadata: mapValues(metadata ?? {}, inBase64), data: inBase64(data ?? new Uint8Array()) };
}

function mapValues<A, B>(record: Record<string, A>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}

async function untilWaitingFor(journey: Journey, waitingFor: string): Promise<void> {
  await until(async () => (await journey.registration?.call('GET', ''))?.body.waitingFor === waitingFor);
}

async function untilState(journey: Journey, state: string): Promise<void> {
  await until(async () => (await journey.registration?.call('GET', ''))?.body.state === state);
}

if (import.meta.main) {
  const asked = process.argv.slice(2);
  const names = Object.keys(stories);
  const unknown = asked.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`Unknown story ${unknown.join(', ')}: use ${names.join(', ')}`);
  const folder = await openTemporaryFolder(console.log);
  await using system = await startSystemIn(folder, {
    secrets: { ...readSecrets(folder.path), PAYLOAD_KEY: historiesKey },
    env: {
      CAPTCHA_COST: '2',
      OTP_RESEND_WAITS: '1',
      REGISTRATION_TTL: String(ttlSeconds),
      REGISTRATION_STEPS: 'directory,captcha,code,credentials',
    },
  });
  await using stores = await connectStores(system);
  mkdirSync(historiesFolder, { recursive: true });
  for (const name of asked.length > 0 ? asked : names) await record(system, stores, name, names.indexOf(name));
}
