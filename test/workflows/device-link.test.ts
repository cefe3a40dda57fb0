/** The behavior of a link over time, on a server whose clock jumps from timer to timer. */

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { EndedLink } from '../../activities/links.ts';
import type { SendNotificationInput } from '../../activities/notification-sending.ts';
import { deviceLinkWorkflowId } from '../../domain/workflow-ids.ts';
import { newId } from '../../platform/crypto.ts';
import { type DeviceLinkInput, type deviceLink, linkChanged } from '../../workflows/device-link.ts';
import { testBundle } from '../support/engines.ts';
import { startTimeSkippingServer, type TimeSkippingServer } from '../support/time-skipping.ts';
import { until } from '../support/until.ts';
import { converterOf } from '../support/workflow-scene.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** A link and what its workflow did. */
interface Scene {
  input: DeviceLinkInput;
  handle: WorkflowHandle<typeof deviceLink>;
  /** Names of activities, in order. */
  calls: string[];
  /** How the store ends the link. */
  end: EndedLink;
  /** The device that the link added, if there is one. */
  deviceId: string | null;
  notified: string[];
}

let server: TimeSkippingServer;
let client: Client;
const scenes = new Map<string, Scene>();
const closing = new AsyncDisposableStack();

/** The scene of an activity, by its link or user. */
function sceneOf({ linkId, userId, occasion }: { linkId?: string; userId?: string; occasion?: string }): Scene {
  const scene = scenes.get(linkId ?? occasion ?? '') ?? [...scenes.values()].find((one) => one.input.userId === userId);
  if (scene === undefined) throw new Error('No scene');
  return scene;
}

const activities = {
  async claimWakeUps(input: { userId: string; occasion: string }) {
    sceneOf(input).calls.push('claimWakeUps');
    return [];
  },
  async endLink(input: { linkId: string; userId: string }) {
    const scene = sceneOf(input);
    scene.calls.push('endLink');
    return scene.end;
  },
  readIdentityKey: async () => null,
  async findLinkedDevice(input: { linkId: string; userId: string }) {
    const scene = sceneOf(input);
    scene.calls.push('findLinkedDevice');
    return scene.deviceId === null ? null : { deviceId: scene.deviceId, createdAt: 0 };
  },
  async markDeviceRemoved(input: { userId: string; deviceId: string }) {
    const scene = sceneOf(input);
    scene.calls.push(`remove ${input.deviceId}`);
    scene.deviceId = null;
    return null;
  },
  findRecipients: async () => [{ channel: 'email', to: 'ada@example.com' }],
  async sendNotification(input: SendNotificationInput) {
    sceneOf(input).notified.push(input.kind);
    return true;
  },
};

before(async () => {
  server = closing.use(await startTimeSkippingServer());
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const { address } = server;
  const connection = await NativeConnection.connect({ address });
  closing.defer(() => connection.close());
  const workers = await Promise.all(
    (['registration', 'delivery'] as const).map((taskQueue) =>
      Worker.create({
        ...{ connection, namespace: 'default', taskQueue, activities, shutdownForceTime: '2s' },
        dataConverter: converterOf(taskQueue),
        ...(taskQueue === 'registration' && { workflowBundle: { codePath: testBundle() } }),
      }),
    ),
  );
  const running = workers.map((worker) => worker.run());
  closing.defer(async () => {
    for (const worker of workers) worker.shutdown();
    await Promise.allSettled(running);
  });
  client = new Client({
    connection: await Connection.connect({ address }),
    namespace: 'default',
    dataConverter: converterOf('api'),
  });
  closing.defer(() => client.connection.close());
});
after(() => closing.disposeAsync());

async function startScene(given: Partial<DeviceLinkInput> = {}): Promise<Scene> {
  const linkId = newId();
  const expiresAt = (await server.now()) + 3 * minuteMs;
  const input: DeviceLinkInput = { linkId, kind: 'link', userId: newId(), expiresAt, claimedBy: '1', ...given };
  const scene: Omit<Scene, 'handle'> = {
    input,
    calls: [],
    end: { state: 'expired', mayHaveDevice: false },
    deviceId: null,
    notified: [],
  };
  scenes.set(linkId, scene as Scene);
  const handle = await client.workflow.start<typeof deviceLink>('deviceLink', {
    taskQueue: 'registration',
    workflowId: deviceLinkWorkflowId(linkId),
    args: [input],
  });
  return Object.assign(scene, { handle });
}

const detailsOf = (handle: Scene['handle']) =>
  handle.query<string>('__temporal_workflow_metadata').then(JSON.stringify);

describe('deviceLink()', () => {
  it('ends when the link is denied, and does nothing more', async () => {
    const scene = await startScene();
    await scene.handle.signal(linkChanged, { state: 'denied', deviceId: '1', reason: 'wrong-code' });
    assert.equal(await scene.handle.result(), 'denied');
    assert.deepEqual(scene.calls, ['claimWakeUps']);
    const details = await detailsOf(scene.handle);
    assert.match(details, /claimed by device 1/);
    assert.match(details, /denied: wrong code \(device 1\)/);
  });

  it('expires after three minutes and leaves nothing, when it was approved and not completed', async () => {
    const scene = await startScene();
    await scene.handle.signal(linkChanged, { state: 'approved', deviceId: '1' });
    await server.sleep(2 * minuteMs);
    assert.deepEqual(scene.calls, ['claimWakeUps']);
    await server.sleep(2 * minuteMs);
    assert.equal(await scene.handle.result(), 'expired');
    assert.deepEqual(scene.calls, ['claimWakeUps', 'endLink']);
  });

  it('C12: removes a device whose link was not completed, also one that was added a moment later', async () => {
    const early = await startScene();
    const late = await startScene();
    for (const scene of [early, late]) scene.end = { state: 'expired', mayHaveDevice: true };
    early.deviceId = '2';
    await server.sleep(3 * minuteMs);
    await until(() => early.calls.includes('remove 2') && late.calls.includes('findLinkedDevice'));
    late.deviceId = '3';
    await server.sleep(2 * minuteMs);
    assert.deepEqual(await Promise.all([early.handle.result(), late.handle.result()]), ['expired', 'expired']);
    assert.deepEqual(early.calls.slice(1), ['endLink', 'findLinkedDevice', 'remove 2', 'findLinkedDevice']);
    assert.deepEqual(late.calls.slice(1), ['endLink', 'findLinkedDevice', 'findLinkedDevice', 'remove 3']);
  });

  it('does not notify the owner of a device that was removed meanwhile', async () => {
    const scene = await startScene();
    // the store says that it was completed; the signal was lost
    scene.end = { state: 'completed', mayHaveDevice: true };
    await server.sleep(4 * hourMs);
    assert.equal(await scene.handle.result(), 'completed');
    assert.deepEqual(scene.notified, []);
    assert.match(await detailsOf(scene.handle), /device removed meanwhile/);
  });

  // last: a notification ends the jumps of the clock
  it('notifies the owner again one to three hours after the device was added', async () => {
    const scene = await startScene();
    scene.deviceId = '2';
    await scene.handle.signal(linkChanged, { state: 'approved', deviceId: '1' });
    await scene.handle.signal(linkChanged, { state: 'completed', deviceId: '2' });
    await server.sleep(hourMs - minuteMs);
    assert.deepEqual(scene.notified, []);
    // never answered, because of the notification
    server.sleep(2 * hourMs + 2 * minuteMs).catch(() => undefined);
    await until(() => scene.notified.length > 0);
    assert.equal(await scene.handle.result(), 'completed');
    assert.deepEqual(scene.notified, ['device-added']);
    assert.deepEqual(scene.calls.slice(0, 2), ['claimWakeUps', 'findLinkedDevice']);
  });

  it('notifies the owner of a request for approval at once, and tells its registration of the approval', async () => {
    const scene = await startScene({ kind: 'approval', registrationId: newId() });
    await until(() => scene.notified.length > 0);
    await scene.handle.signal(linkChanged, { state: 'approved', deviceId: '1' });
    assert.equal(await scene.handle.result(), 'approved');
    assert.deepEqual(scene.notified, ['device-link-requested']);
    const details = await detailsOf(scene.handle);
    assert.match(details, /the devices of the account are asked/);
    assert.match(details, /the registration has ended/);
  });
});
