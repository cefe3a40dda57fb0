/**
 * `npm run bench:keys`: measures the key directory. Uploads of 100 + 100 keys: the processor time of the api for each, and
 * session checks alone, meanwhile, and while the same keys are written without the api. Fetches of bundles with 100 and with 100,000 devices stored,
 * beside a bare `findOneAndUpdate` on the same documents.
 *
 * It starts a private system, and writes most devices directly into its database. It prints the figures with machine and
 * commit, and asserts nothing.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { Connection } from 'mongoose';
import { connectMongo } from '../adapters/mongo/connect.ts';
import { createPreKeys } from '../adapters/mongo/prekeys.ts';
import type { KeyUpload } from '../contract/keys.ts';
import { setIdsOf } from '../domain/device.ts';
import { openTemporaryFolder } from '../engines/data-folder.ts';
import { type System, startSystemIn } from '../engines/system.ts';
import { variables } from '../platform/config/variables.ts';
import {
  makeDevice,
  makeIdentity,
  makePqPreKeys,
  makePreKeys,
  type TestIdentity,
} from '../test/support/device-keys.ts';
import { createPeople } from '../test/support/people.ts';
import { must } from '../test/support/registrations.ts';
import { createRestClient, type RestClient } from '../test/support/rest-client.ts';
import { circumstances, cpuMs, printTable, Rounds } from './figures.ts';

const warmUpUploads = 100;
const uploads = 100;
const writeEveryMs = 200;
const checkCallers = 4;
const few = 100;
const many = 100_000;
/** Keys of each kind that a stored device has: as many as a round fetches of one of the few. */
const storedKeys = 2;
const insertSize = 500;
const rounds = 4;
/** The directory sync reads all accounts. */
const calm = { LOG_LEVEL: 'warn', DIRECTORY_SYNC_INTERVAL: '86400' };
const limitsOff = Object.fromEntries(
  Object.keys(variables)
    .filter((name) => name.startsWith('LIMIT_'))
    .map((name) => [name, '1000000/1']),
);

/** What the measurements use. */
interface Bench {
  system: System;
  api: RestClient;
  database: Connection;
  /** Access token of a user without a device. */
  token: string;
  identity: TestIdentity;
}

const folder = await openTemporaryFolder();
try {
  const system = await startSystemIn(folder, { env: { ...limitsOff, ...calm } });
  const { DATABASE_URL: databaseUrl = '' } = system.processes.env('registration');
  await using database = connectMongo(databaseUrl, console.error);
  await database.ping();
  const api = createRestClient(system.ready.apiUrl);
  const { token } = await createPeople(system, api).person(1);
  const bench = { system, api, database: database.connection, token, identity: makeIdentity() };
  console.log(`\n${circumstances()}`);
  await measureUploads(bench);
  await measureFetches(bench);
} finally {
  await folder.close();
}

/** Uploads two bodies in turn, so that each one replaces all one-time keys. */
async function measureUploads({ system, api, database, token, identity }: Bench): Promise<void> {
  const owner = await createPeople(system, api).person(2);
  const body = makeDevice(identity);
  const { accessToken } = (await must(api.addDevice({ token: owner.token, body }), 201)).body;
  const bodies = [1, 101].map((firstId) => ({
    preKeys: makePreKeys(100, firstId),
    pqPreKeys: makePqPreKeys(identity, 100, firstId),
  }));
  const upload = (index: number) =>
    must(api.uploadKeys({ token: accessToken, body: bodies[index % 2] as KeyUpload }), 204);
  const check = () => must(api.readSession({ token }));
  // every collection exists after it
  await upload(0);
  for (let index = 1; index < warmUpUploads; index++) await upload(index);
  await new Rounds(checkCallers, check).run(5000);

  const pid = system.ready.pids.api;
  const before = cpuMs(pid);
  for (let index = 0; index < uploads; index++) await upload(index);
  console.log(`\nUploads of 100 + 100 keys: ${((cpuMs(pid) - before) / uploads).toFixed(1)} ms of processor time each`);

  const writeKeys = bareWrites(database, bodies);
  const measured = ['alone', 'beside uploads', 'beside bare writes of the keys'] as const;
  const checks = measured.map(() => new Rounds(checkCallers, check)) as [Rounds, Rounds, Rounds];
  for (let round = 0; round < rounds; round++) {
    await checks[0].run(2000);
    await whileWriting(upload, () => checks[1].run(2000));
    await whileWriting(writeKeys, () => checks[2].run(2000));
  }
  console.log(
    `\nSession checks, alone and beside uploads or bare writes of the same keys, one every ${writeEveryMs} ms`,
  );
  const rows = checks.map((one, index) => one.row(measured[index] ?? ''));
  printTable(['', 'callers', 'per s', 'p50 ms', 'p99 ms'], rows);
}

/** What an upload writes, without the api: its part of the load when database, api and this program share the cores. */
function bareWrites(database: Connection, bodies: KeyUpload[]): (index: number) => Promise<unknown> {
  const store = createPreKeys(database);
  let before: string[] = [];
  return async (index) => {
    const stored = await store.storeLists('bench', bodies[index % 2] ?? {});
    await store.remove(before);
    before = setIdsOf(stored);
  };
}

/** Makes a write at a steady rate until the job has ended. */
async function whileWriting(write: (index: number) => Promise<unknown>, job: () => Promise<void>): Promise<void> {
  const ended = new AbortController();
  const pause = () => wait(writeEveryMs, undefined, { signal: ended.signal }).catch(() => undefined);
  const writing = (async () => {
    for (let index = 0; !ended.signal.aborted; index++) await Promise.all([write(index), pause()]);
  })();
  await job();
  ended.abort();
  await writing;
}

/** Each measurement with both numbers of devices fetches from other devices, so that none runs out of keys. */
async function measureFetches(bench: Bench): Promise<void> {
  const rows: (string | number)[][] = [];
  const p95 = new Map<string, [bundle: number, bare: number]>();
  let stored = 0;
  for (const devices of [few, many]) {
    await storeDevices(bench, stored, devices);
    stored = devices;
    console.log(`${devices} devices are stored, with ${storedKeys} one-time keys of each kind`);
    for (const callers of [1, 8]) {
      const [fetching, bare] = fetchesOf(bench, devices, callers);
      for (let round = 0; round < rounds; round++) {
        await refill(bench.database);
        await fetching.run(200);
        await bare.run(200);
      }
      const name = `of ${devices} devices`;
      rows.push([...fetching.row(`bundle ${name}`), fetching.p95], [...bare.row(`bare update ${name}`), bare.p95]);
      p95.set(`${devices} ${callers}`, [fetching.p95, bare.p95]);
    }
  }
  console.log('\nBundles of one device with one-time keys, and a bare findOneAndUpdate');
  printTable(['', 'callers', 'per s', 'p50 ms', 'p99 ms', 'p95 ms'], rows);
  for (const callers of [1, 8]) {
    const [before, after] = [few, many].map((devices) => p95.get(`${devices} ${callers}`) ?? [1, 1]);
    const [bundle, bare] = [0, 1].map((of) => ((after?.[of] ?? 1) / (before?.[of] ?? 1)).toFixed(2));
    console.log(
      `p95 with ${many} devices to that with ${few}, ${callers} callers: ${bundle}; of the bare update: ${bare}`,
    );
  }
}

/** The fetches of bundles and the bare updates of the same documents. */
function fetchesOf({ api, database, token }: Bench, devices: number, callers: number): [Rounds, Rounds] {
  let next = 0;
  // spread over all of them; 48,271 is a primitive root of the minimal standard generator (Park and Miller, 1988)
  const userId = () => userIdOf((next++ * 48_271) % devices);
  const sets = database.collection('devices');
  const update = () => sets.findOneAndUpdate({ _id: userId() as never }, { $inc: { 'devices.d1.seen': 1 } });
  return [new Rounds(callers, () => must(api.takeKeys({ userId: userId(), token }))), new Rounds(callers, update)];
}

/** Makes the keys of the few devices that are fetched often available again. */
async function refill(database: Connection): Promise<void> {
  const next = { 'devices.d1.preKeys.next': 0, 'devices.d1.pqPreKeys.next': 0 };
  for (let index = 0; index < few; index++) {
    await database.collection('devices').updateOne({ _id: userIdOf(index) as never }, { $set: next });
  }
}

function userIdOf(index: number): string {
  return `bench-${index}`;
}

/** Stores accounts with one device each, with the numbers `from` to `to`. */
async function storeDevices({ database, identity }: Bench, from: number, to: number): Promise<void> {
  const { signedPreKey, pqLastResortPreKey, preKeys, pqPreKeys } = makeDevice(identity, { oneTimeKeys: storedKeys });
  const keySet = (setId: string) => ({ setId, total: storedKeys, next: 0 });
  const page = (keys: readonly object[]) => Object.fromEntries(keys.map((key, index) => [`k${index}`, key]));
  const common = {
    name: 'Bench',
    client: 'bench',
    registrationId: 1,
    capabilities: '{}',
    createdAt: 1,
    addedBy: 'bench',
  };
  for (let at = from; at < to; at += insertSize) {
    const ids = Array.from({ length: Math.min(insertSize, to - at) }, (_, index) => userIdOf(at + index));
    const insert = (collection: string, documents: object[]) => database.collection(collection).insertMany(documents);
    await insert(
      'users',
      ids.map((_id) => ({ _id, groups: [], roles: ['user'], createdAt: new Date() })),
    );
    await insert(
      'devices',
      ids.map((_id) => {
        const sets = { preKeys: keySet(`${_id}/curve`), pqPreKeys: keySet(`${_id}/kem`) };
        const d1 = { ...common, signedPreKey, pqLastResortPreKey, ...sets };
        return { _id, identityKey: identity.publicKey, version: 1, devices: { d1 } };
      }),
    );
    await insert(
      'prekeyPages',
      ids.map((_id) => ({ _id: `${_id}/curve/0`, keys: page(preKeys) })),
    );
    await insert(
      'prekeyPages',
      ids.map((_id) => ({ _id: `${_id}/kem/0`, keys: page(pqPreKeys) })),
    );
  }
}
