/**
 * Records the histories that test/journeys/replay.test.ts replays: `npx node test/support/record-histories.ts [name
 * …]`, all of them without a name: registrations, links, deletions of accounts and the removal of a device.
 *
 * Record them again in the change that alters these workflows, if no running one has to survive that change. Otherwise
 * keep the old histories and patch the workflow. The recording uses a system of its own with a
 * published payload key, so that everyone can read the histories.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Payload } from '@temporalio/common';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import {
  accountDeletionWorkflowId,
  accountErasureWorkflowId,
  deviceLinkWorkflowId,
  deviceRemovalWorkflowId,
  registrationWorkflowId,
} from '../../domain/workflow-ids.ts';
import { openTemporaryFolder } from '../../engines/data-folder.ts';
import { readSecrets } from '../../engines/secrets.ts';
import { type System, startSystemIn } from '../../engines/system.ts';
import { type Answer, codeFor, solveCaptcha } from './client.ts';
import { makeDevice, makeIdentity, type TestIdentity } from './device-keys.ts';
import { setFault } from './faults.ts';
import { historiesCodec, historiesFolder, historiesKey } from './histories.ts';
import { createJourney, type Journey, personOf } from './journey.ts';
import { createLinkSteps, makeOffer, type NewDeviceLink, type Owner } from './links.ts';
import { must } from './registrations.ts';
import { createRestClient } from './rest-client.ts';
import { signalBody } from './signal-registration.ts';
import { connectStores, type Stores } from './stores.ts';
import { until } from './until.ts';

interface JsonPayload {
  metadata: Record<string, string>;
  data: string;
}

const codec = historiesCodec();

/** What stories have beside a journey and its system. */
interface Scene {
  stores: Stores;
  /** The identity of the device of the journey. */
  identity: TestIdentity;
}

/** Returns the id of a workflow that is to be recorded as it is then; by default the registration is, once it has ended. */
type Story = (journey: Journey, system: System, scene: Scene) => Promise<string | undefined>;

/** Shorter than any story except the one that waits for expiry. */
const ttlSeconds = 30;

const shortPolicy = 'directory,captcha,code,credentials';
const devicePolicy = `${shortPolicy},device`;

const shortStories: Record<string, (journey: Journey, system: System) => Promise<void>> = {
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

  async expired(journey, system) {
    await journey.walk('start');
    // as the first step, which starts the workflow
    await journey.registration?.call('PUT', '/captcha', await solveCaptcha(system.ready.apiUrl));
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

const deviceStories: Record<string, Story> = {
  async device(journey) {
    await journey.walk('session');
    return undefined;
  },

  async link(journey, system, { stores, identity }) {
    const { api, links, owner } = await linking(journey, system, identity);
    const { linkId, linkToken: token } = await links.approved(owner);
    await must(api.completeLink({ linkId, token, body: makeDevice(identity) }), 201);
    const workflowId = deviceLinkWorkflowId(linkId);
    // the second one is that of the second notice, in one to three hours
    await until(async () => (await countTimers(stores, workflowId)) === 2);
    return workflowId;
  },

  async 'link-denied'(journey, system, { stores, identity }) {
    const { links, owner } = await linking(journey, system, identity);
    const link = await links.revealed(owner);
    await must(links.deny(link, owner), 204);
    return untilEnded(stores, deviceLinkWorkflowId(link.linkId));
  },

  async 'link-expired'(journey, system, { stores, identity }) {
    const { links, owner } = await linking(journey, system, identity);
    const { linkId } = await links.approved(owner);
    return untilEnded(stores, deviceLinkWorkflowId(linkId));
  },

  async approval(journey, system, { stores, identity }) {
    const { linkId } = await approve(journey, system, identity);
    return untilEnded(stores, deviceLinkWorkflowId(linkId));
  },

  async approved(journey, system, { stores, identity }) {
    const { second } = await approve(journey, system, identity);
    await until(async () => isApproved(await second.registration?.call('GET', '')));
    await second.registration?.call('PUT', '/device', makeDevice(identity));
    await untilState(second, 'completed');
    return untilEnded(stores, registrationWorkflowId(second.registration?.id ?? ''));
  },

  async 'device-removal'(journey, system, { stores, identity }) {
    const { api, links, owner } = await linking(journey, system, identity);
    const { device } = await links.linked(owner);
    const deviceId = device?.deviceId ?? '';
    await must(api.revokeDevice({ token: owner.token, deviceId }), 200);
    return untilEnded(stores, deviceRemovalWorkflowId(owner.userId, deviceId));
  },
};

const deletionStories: Record<string, Story> = {
  async 'deletion-stopped'(journey, system, scene) {
    const { api, token, deletionId } = await deleting(journey, system, scene);
    await must(api.stopAccountDeletion({ token }), 204);
    return untilEnded(scene.stores, accountDeletionWorkflowId(deletionId));
  },

  async deletion(journey, system, scene) {
    const { deletionId } = await deleting(journey, system, scene);
    // it is read at once, because the erasure deletes it
    return untilEnded(scene.stores, accountDeletionWorkflowId(deletionId));
  },

  async erasure(journey, system, scene) {
    const { deletionId } = await deleting(journey, system, scene);
    const workflowId = accountErasureWorkflowId(deletionId);
    const hasBegun = () => scene.stores.temporal.workflow.getHandle(workflowId).describe();
    await until(() =>
      hasBegun().then(
        () => true,
        () => false,
      ),
    );
    return untilEnded(scene.stores, workflowId);
  },
};

/** The stories by the steps of their registrations. */
const policies: Record<string, Record<string, Story>> = {
  [shortPolicy]: Object.fromEntries(
    Object.entries(shortStories).map(([name, tell]) => [
      name,
      (journey, system) => tell(journey, system).then(() => undefined),
    ]),
  ),
  [devicePolicy]: { ...deviceStories, ...deletionStories },
  [`${devicePolicy},signal`]: {
    async signal(journey) {
      await journey.walk('session');
      return undefined;
    },
  },
};

/** Registers a person, and returns the calls of the first device. */
async function linking(journey: Journey, { ready }: System, identity: TestIdentity) {
  await journey.walk('session');
  const { body } = journey.answerOf('session');
  const api = createRestClient(ready.apiUrl);
  const owner = {
    ...body,
    userId: body.user.userId,
    token: body.accessToken,
    deviceId: body.device.deviceId,
    identity,
  };
  return { api, links: createLinkSteps(api), owner: owner as Owner };
}

/** Registers a person, who then deletes the account. */
async function deleting(journey: Journey, system: System, { identity }: Scene) {
  const { api, owner } = await linking(journey, system, identity);
  const { body } = await must(api.deleteAccount({ token: owner.token }), 202);
  return { api, token: owner.token, deletionId: body.deletionId };
}

/** Approves a second registration of a person by the device of the first. */
async function approve(journey: Journey, system: System, identity: TestIdentity) {
  const { links, owner } = await linking(journey, system, identity);
  const second = createJourney(system.ready, journey.person);
  await second.walk('send');
  await codeFor(system.ready.outboxUrl, journey.person.phone, 2);
  await second.walk('credentials');
  const { nonce, client: _none, ...offer } = makeOffer();
  const answer = await second.registration?.call('PUT', '/approval', offer);
  const asked: NewDeviceLink = { ...answer?.body, ...offer, nonce };
  await must(links.claim(asked, owner), 204);
  await must(links.reveal(asked), 204);
  await must(links.approve(asked, owner), 204);
  return { second, linkId: asked.linkId };
}

function isApproved(answer: Answer | undefined): boolean {
  return answer?.body.steps.some(
    (step: { name: string; status: string }) => step.name === 'approval' && step.status === 'done',
  );
}

async function countTimers({ temporal }: Stores, workflowId: string): Promise<number> {
  const { events = [] } = await temporal.workflow.getHandle(workflowId).fetchHistory();
  return events?.filter(({ timerStartedEventAttributes }) => timerStartedEventAttributes).length ?? 0;
}

/** Returns the id when the workflow has ended. */
async function untilEnded({ temporal }: Stores, workflowId: string): Promise<string> {
  await temporal.workflow.getHandle(workflowId).result();
  return workflowId;
}

async function register(journey: Journey): Promise<void> {
  await journey.walk('code');
  await journey.registration?.call('PUT', '/credentials', { password: journey.person.newPassword });
  await untilState(journey, 'completed');
}

/** Who registers in a story, by its place among all. */
interface Told {
  name: string;
  index: number;
  tell: Story;
  steps: string;
}

async function record(system: System, stores: Stores, { name, index, tell, steps }: Told): Promise<void> {
  const identity = makeIdentity();
  const journey = createJourney(system.ready, personOf(index), 'sms', {
    ...(steps.includes('device') && { device: makeDevice(identity, { oneTimeKeys: 1 }) }),
    ...(steps.includes('signal') && { signal: signalBody() }),
  });
  const workflowId = await tell(journey, system, { stores, identity });
  const id = workflowId ?? (await untilEnded(stores, registrationWorkflowId(journey.registration?.id ?? '')));
  const history = JSON.parse(historyToJSON(await stores.temporal.workflow.getHandle(id).fetchHistory()));
  await forgetMachine(history);
  writeFileSync(resolve(historiesFolder, `${name}.json`), `${JSON.stringify(history, null, 1)}\n`);
  console.log(`${name}: ${history.events.length} events`);
}

/** Starts a system for each policy, one after the other. */
async function recordAll(stories: readonly Told[]): Promise<void> {
  mkdirSync(historiesFolder, { recursive: true });
  for (const steps of new Set(stories.map((one) => one.steps))) {
    const folder = await openTemporaryFolder(console.log);
    await using system = await startSystemIn(folder, {
      secrets: { ...readSecrets(folder.path), PAYLOAD_KEY: historiesKey },
      env: {
        CAPTCHA_COST: '2',
        OTP_RESEND_WAITS: '1',
        REGISTRATION_TTL: String(ttlSeconds),
        REGISTRATION_STEPS: steps,
        DELETION_GRACE_SECONDS: '5',
      },
    });
    await using stores = await connectStores(system);
    for (const story of stories.filter((one) => one.steps === steps)) await record(system, stores, story);
  }
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
  const all = Object.entries(policies)
    .flatMap(([steps, stories]) => Object.entries(stories).map(([name, tell]) => ({ steps, name, tell })))
    .map((story, index) => ({ ...story, index }));
  const names = all.map(({ name }) => name);
  const unknown = asked.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`Unknown story ${unknown.join(', ')}: use ${names.join(', ')}`);
  await recordAll(asked.length === 0 ? all : all.filter(({ name }) => asked.includes(name)));
}
