/** Fetches that compete for the last one-time keys of a device. */
import assert from 'node:assert/strict';
import type { Connection } from 'mongoose';
import type { ReplyOf } from './rest-client.ts';

/** A device whose last keys are fetched again and again, and who fetches them. */
export interface LastKeys {
  database: Connection;
  /** The owner of device 1, which has this many one-time keys of each kind with the ids 1 to `total`. */
  userId: string;
  total: number;
  lastResortId: number;
  /** Two fetches of its keys at the same time. */
  fetchTwice: (round: number) => Promise<ReplyOf<'takeKeys'>[]>;
}

/** Leaves the last keys, lets two callers fetch them at once and asserts that each key was handed out exactly once. */
export async function raceForLastKeys(
  rounds: number,
  { database, userId, total, lastResortId, fetchTwice }: LastKeys,
): Promise<void> {
  const next = { 'devices.d1.preKeys.next': total - 1, 'devices.d1.pqPreKeys.next': total - 1 };
  for (let round = 0; round < rounds; round++) {
    await database.collection('devices').updateOne({ _id: userId as never }, { $set: next });
    const devices = (await fetchTwice(round)).flatMap(({ body }) => body.devices);
    const preKeyIds = devices.flatMap(({ preKey }) => preKey?.keyId ?? []);
    const pqPreKeyIds = devices.map(({ pqPreKey }) => pqPreKey.keyId);
    assert.deepEqual(preKeyIds, [total], `round ${round}`);
    assert.deepEqual(new Set(pqPreKeyIds), new Set([total, lastResortId]), `round ${round}`);
    assert.equal(pqPreKeyIds.length, 2);
  }
}
