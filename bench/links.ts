/**
 * `npm run bench:links`: measures links of new devices: the calls create, claim, reveal, approve and complete, links per
 * second, and the processor time of each link in every process. A new device uploads 100 + 100 one-time keys. The
 * cryptography of both devices is real and done before its calls, so that the figures are those of the servers. The
 * baseline, measured in the same run, is the bare Temporal workflows of the same shape and the bare writes of the keys.
 *
 * It starts a private system. It prints the figures with machine and commit, and asserts nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { Connection } from 'mongoose';
import { connectMongo } from '../adapters/mongo/connect.ts';
import { createPreKeys } from '../adapters/mongo/prekeys.ts';
import { ExistingDeviceLink, hashDeviceSet, NewDeviceLink, readQrText } from '../client/linking.ts';
import type { Device } from '../contract/devices.ts';
import { openTemporaryFolder } from '../engines/data-folder.ts';
import { type System, startSystemIn } from '../engines/system.ts';
import { makeDevice } from '../test/support/device-keys.ts';
import { createLinkSteps, type Owner } from '../test/support/links.ts';
import { createPeople } from '../test/support/people.ts';
import { must } from '../test/support/registrations.ts';
import { createRestClient, type RestClient } from '../test/support/rest-client.ts';
import { limitsOff } from '../test/support/system.ts';
import { type BareTemporal, startBareTemporal } from './bare-temporal.ts';
import { bareLink, bareNotification, told } from './bare-workflows.ts';
import { circumstances, inParallel, printTable, Times, withCpu } from './figures.ts';

const callNames = ['create', 'claim', 'reveal', 'approve', 'complete'] as const;
const bareNames = ['Temporal', 'MongoDB'] as const;
const oneTimeKeys = 100;
/** Links in one part; each must be completed within the three minutes that a link lives. */
const partLinks = 40;

interface Bench {
  system: System;
  api: RestClient;
  temporal: BareTemporal;
  database: Connection;
  newOwner(): Promise<Owner>;
}

/** A new device before its first call. */
interface NewDevice {
  owner: Owner;
  side: NewDeviceLink;
  device: Device;
}

/** What was measured with some callers. */
interface Figures {
  links: number;
  seconds: number;
  bareSeconds: number;
  calls: Record<(typeof callNames)[number], Times>;
  bare: Record<(typeof bareNames)[number], Times>;
  /** Milliseconds by process. */
  cpu: Record<string, number>;
  bareCpu: Record<string, number>;
}

const folder = await openTemporaryFolder();
try {
  const system = await startSystemIn(folder, {
    env: { ...limitsOff, LOG_LEVEL: 'warn', DIRECTORY_SYNC_INTERVAL: '86400' },
  });
  await using database = connectMongo(system.ready.databaseUrl, console.error);
  await using temporal = await startBareTemporal(system.ready.temporalAddress);
  const api = createRestClient(system.ready.apiUrl);
  const { ownerOf } = createLinkSteps(api);
  const people = createPeople(system, api);
  let owners = 0;
  const newOwner = async () => ownerOf(await people.person(owners++));
  const bench = { system, api, temporal, database: database.connection, newOwner };
  await measure(bench, 1, 1);
  // every collection exists now
  await measure(bench, 8, 1);
  console.log(`\n${circumstances()}`);
  for (const [callers, parts] of [
    [1, 2],
    [8, 4],
  ] as const)
    print(callers, await measure(bench, callers, parts));
} finally {
  await folder.close();
}

/** Measures product and baseline in turn, so that a change in the machine's speed affects both. */
async function measure(bench: Bench, callers: number, parts: number): Promise<Figures> {
  const figures: Figures = {
    links: 0,
    seconds: 0,
    bareSeconds: 0,
    calls: timesOf(callNames),
    bare: timesOf(bareNames),
    cpu: {},
    bareCpu: {},
  };
  for (let part = 0; part < parts; part++) {
    await measureLinks(bench, callers, figures);
    await measureBare(bench, callers, figures);
    figures.links += partLinks;
  }
  return figures;
}

async function measureLinks(bench: Bench, callers: number, figures: Figures): Promise<void> {
  const { api, system, temporal } = bench;
  const devices: NewDevice[] = [];
  for (let index = 0; index < partLinks; index++) {
    const owner = await bench.newOwner();
    const device = makeDevice(owner.identity, { oneTimeKeys });
    devices.push({ owner, device, side: await NewDeviceLink.create() });
  }
  await untilNotified(temporal.client);
  const { calls } = figures;
  const links = new Map<NewDevice, { linkId: string; token: string }>();
  const creating = await withCpu(system, {}, figures.cpu, () =>
    each(devices, callers, async (one) => {
      const body = { deviceName: 'Desk', client: 'desktop', ...one.side.request };
      const { linkId, linkToken } = (await calls.create.time(() => must(api.createLink({ body }), 201))).body;
      links.set(one, { linkId, token: linkToken });
    }),
  );
  const ready = await Promise.all(
    [...links].map(async ([one, link]) => ({ ...one, ...link, ...(await encryptFor(one, link.linkId)) })),
  );
  const linking = await withCpu(system, {}, figures.cpu, async () => {
    const took = await each(ready, callers, async ({ linkId, token, owner, device, claim, nonce, sealedProvision }) => {
      const asOwner = { linkId, token: owner.token };
      const asNew = { linkId, token };
      await calls.claim.time(() => must(api.claimLink({ ...asOwner, body: claim }), 204));
      await calls.reveal.time(() => must(api.revealLink({ ...asNew, body: { nonce } }), 204));
      await calls.approve.time(() => must(api.approveLink({ ...asOwner, body: { sealedProvision } }), 204));
      await calls.complete.time(() => must(api.completeLink({ ...asNew, body: device }), 201));
    });
    await untilNotified(temporal.client);
    return took;
  });
  figures.seconds += creating + linking;
  for (const { side, sealedProvision } of ready) await side.openProvision(sealedProvision);

  /** Both sides of the protocol, for the bodies of the calls that follow. */
  async function encryptFor({ owner, side }: NewDevice, linkId: string) {
    const { origin } = new URL(system.ready.apiUrl);
    const { userId, identity } = owner;
    const { publicKeyHash } = readQrText(side.qrText(origin, linkId), origin);
    const existing = await ExistingDeviceLink.create({ linkId, origin, userId }, { ...side.request, publicKeyHash });
    const { nonce, code } = await side.acceptClaim({ linkId, origin }, existing.claim);
    await existing.acceptReveal(nonce);
    existing.confirmCode(code);
    const { publicKey, privateKey } = identity.pair;
    const sealedProvision = await existing.sealProvision({
      userId,
      identity: { publicKey: publicKey.serialize(), privateKey: privateKey.serialize() },
      deviceSetHash: hashDeviceSet([owner.deviceId]),
    });
    return { claim: existing.claim, nonce, sealedProvision };
  }
}

/** Two workflows with the signals and activities of a link and of its notification, and the writes of the keys. */
async function measureBare(bench: Bench, callers: number, figures: Figures): Promise<void> {
  const { system, temporal, database, newOwner } = bench;
  const { identity } = await newOwner();
  const { preKeys, pqPreKeys } = makeDevice(identity, { oneTimeKeys });
  const store = createPreKeys(database);
  const { bare } = figures;
  await untilNotified(temporal.client);
  figures.bareSeconds += await withCpu(system, { 'bare worker': temporal.pid }, figures.bareCpu, () =>
    each(Array.from({ length: partLinks }), callers, async () => {
      const workflowId = `bench-${performance.now()}-${Math.random()}`;
      await bare.Temporal.time(async () => {
        const link = await temporal.client.workflow.start(bareLink, { taskQueue: 'bench', workflowId });
        await link.signal(told, 'approved');
        await link.signal(told, 'completed');
        await temporal.client.workflow.execute(bareNotification, { taskQueue: 'bench', workflowId: `${workflowId}-n` });
      });
      await bare.MongoDB.time(() => store.storeLists(workflowId, { preKeys, pqPreKeys }));
    }),
  );
}

/** Returns the seconds that it took. */
function each<T>(items: readonly T[], callers: number, job: (item: T) => Promise<void>): Promise<number> {
  return inParallel(items.length, callers, (index) => job(items[index] as T));
}

/** Resolves when every notification has ended: they are part of a link, and its callers do not wait for them. */
async function untilNotified(client: Client): Promise<void> {
  const running = 'WorkflowType = "notification" AND ExecutionStatus = "Running"';
  while ((await client.workflow.count(running)).count > 0) await sleep(50);
}

function print(callers: number, { links, seconds, bareSeconds, calls, bare, cpu, bareCpu }: Figures): void {
  const rates = `${(links / seconds).toFixed(1)} links a second, baseline ${(links / bareSeconds).toFixed(1)}`;
  console.log(`\n${callers === 1 ? 'One caller' : `${callers} callers`}: ${rates}; ${links} links`);
  printTable(
    ['', 'p50 ms', 'p95 ms'],
    [
      ...callNames.map((name) => [name, calls[name].p50, calls[name].p95]),
      ...bareNames.map((name) => [`baseline: ${name}`, bare[name].p50, bare[name].p95]),
    ],
  );
  const perLink = (sums: Record<string, number>) =>
    Object.entries(sums).flatMap(([name, ms]) => (ms / links < 0.1 ? [] : [`${name} ${(ms / links).toFixed(1)}`]));
  const total = (sums: Record<string, number>) => Object.values(sums).reduce((sum, ms) => sum + ms, 0) / links;
  console.log(`Processor time of a link: ${total(cpu).toFixed(1)} ms (${perLink(cpu).join(', ')})`);
  console.log(`Of its baseline: ${total(bareCpu).toFixed(1)} ms (${perLink(bareCpu).join(', ')})`);
}

function timesOf<Name extends string>(names: readonly Name[]): Record<Name, Times> {
  return Object.fromEntries(names.map((name) => [name, new Times()])) as Record<Name, Times>;
}
