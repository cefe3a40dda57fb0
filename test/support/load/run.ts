/**
 * Runs a load: every device writes to its partners, faults happen meanwhile, and in the end the books of senders and
 * recipients are compared.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { LoadDevice, Tally } from './devices.ts';
import type { Balance } from './ledger.ts';

/** Something that happens during a run. */
interface Fault {
  name: string;
  /** Happens when this part of the messages was answered, 0 to 1. */
  after: number;
  happen(): Promise<void>;
}

/** Options of a run. */
interface LoadOptions {
  messages: number;
  tally: Tally;
  faults?: readonly Fault[];
  /** Without a message for so long, the devices connect again to get what is missing; 30 s by default. */
  quietMs?: number;
  /** Is told what happens. */
  say?: (line: string) => void;
}

/** The books of a run, and how its messages arrived. */
export interface LoadResult extends Balance {
  /** Arrived only when the device had connected again in the end. */
  late: number;
  seconds: number;
}

/** The partners of a device, by the distance of their indexes. The distances are symmetric, so partners write to each other. */
const distances = [1, 7];

/** Returns the indexes of the partners of a device among `count` devices. */
export function partnersOf(index: number, count: number): number[] {
  const found = distances.flatMap((distance) => [(index + distance) % count, (index - distance + count) % count]);
  return [...new Set(found)].filter((partner) => partner !== index);
}

/** Sends the messages, and compares what was answered with what arrived. Every device writes to its partners in turn. */
export async function runLoad(devices: readonly LoadDevice[], options: LoadOptions): Promise<LoadResult> {
  const { messages, tally, faults = [], quietMs = 30_000, say = () => undefined } = options;
  await Promise.all(devices.map((device) => device.drained()));
  const begin = performance.now();
  const gate = { allowed: messages, opened: Promise.withResolvers<void>() };
  const happening = happenInTime(faults, { messages, tally, say, gate });
  let taken = 0;
  const sending = devices.map(async (device, index) => {
    const partners = partnersOf(index, devices.length).flatMap((partner) => devices[partner] ?? []);
    for (let turn = 0; taken < messages; turn++) {
      if (taken >= gate.allowed) {
        await gate.opened.promise;
        continue;
      }
      taken++;
      const partner = partners[turn % partners.length];
      if (partner !== undefined) await device.send(partner);
    }
  });
  await Promise.all(sending);
  const seconds = (performance.now() - begin) / 1000;
  await happening;
  await untilQuiet(devices, { tally, quietMs });
  const missing = balanceOf(devices).lost;
  if (missing > 0) {
    say(`${missing} messages are missing; every device connects again`);
    await Promise.all(devices.map((device) => device.reconnect()));
  }
  const balance = balanceOf(devices);
  return { ...balance, late: missing - balance.lost, seconds };
}

/** How many messages may be sent by now. */
interface Gate {
  allowed: number;
  /** Resolves when more may be sent. */
  opened: PromiseWithResolvers<void>;
}

/**
 * Lets the faults happen one after the other, each when its part of the messages was answered. While one happens, messages
 * are sent up to the part of the next one, so that each of them interrupts sends, however long they take.
 */
async function happenInTime(
  faults: readonly Fault[],
  { messages, tally, say, gate }: Required<Pick<LoadOptions, 'messages' | 'tally' | 'say'>> & { gate: Gate },
): Promise<void> {
  const inOrder = faults.toSorted((a, b) => a.after - b.after);
  for (const [index, { name, after, happen }] of inOrder.entries()) {
    gate.allowed = Math.floor(messages * (inOrder[index + 1]?.after ?? 1));
    gate.opened.resolve();
    gate.opened = Promise.withResolvers();
    while (tally.answered < Math.floor(after * messages)) await wait(5);
    say(`${tally.answered} messages: ${name}`);
    await happen();
  }
  gate.opened.resolve();
}

/** Resolves when every message has arrived, or none has for a while. */
async function untilQuiet(
  devices: readonly LoadDevice[],
  { tally, quietMs }: { tally: Tally; quietMs: number },
): Promise<void> {
  let { received } = tally;
  for (let since = performance.now(); performance.now() - since < quietMs; await wait(20)) {
    if (balanceOf(devices).lost === 0) return;
    if (tally.received !== received) since = performance.now();
    received = tally.received;
  }
}

function balanceOf(devices: readonly LoadDevice[]): Balance {
  const balance: Balance = { sent: 0, lost: 0, doubled: 0, disordered: 0, repeated: 0 };
  const byUser = new Map(devices.map((device) => [device.device.userId, device]));
  for (const { device, answered, received } of devices) {
    balance.doubled += received.doubled;
    balance.disordered += received.disordered;
    balance.repeated += received.repeated;
    for (const [userId, count] of answered) {
      balance.sent += count;
      balance.lost += byUser.get(userId)?.received.lostOf(device.userId, count) ?? count;
    }
  }
  return balance;
}
