/** The upkeep of keys that a connected client does by itself. */
import type { ReceivedMessage } from '../contract/messages.ts';
import type { ClientDeps } from './deps.ts';
import { maintainKeys } from './key-maintenance.ts';
import { settleRotation } from './rotation.ts';

/** Between two checks of the keys of a client that stays connected. */
const upkeepMs = 12 * 3_600_000;
/** When it is looked again whether the server has a new identity key whose keys this device was given. */
const settleMs = [1000, 5000, 30_000, 300_000];

/** The upkeep of keys, one at a time. */
export interface Upkeep {
  /** Uploads the keys that are due. */
  run(): void;
  /** The same, unless it was done a short time ago. */
  runIfDue(): void;
  /** Takes over a rotation before a message that may have been made with its keys. */
  settleFor(message: Pick<ReceivedMessage, 'type' | 'from'>): Promise<void>;
  /** Looks some times whether the server has the new identity key by now. */
  settleSoon(): void;
}

/** Creates the upkeep; `release` sends what waited for the devices of this account. */
export function createUpkeep(deps: ClientDeps, release: (userId: string) => void): Upkeep {
  const { store, tasks, closing, now } = deps;
  let isRunning = false;
  let lastAt: number | undefined;
  const hasRotation = () => store.transaction(({ rotations }) => rotations !== undefined);
  const settle = async () => {
    const settled = await settleRotation(deps);
    const { userId } = await store.transaction((state) => state);
    if (settled !== undefined && userId !== undefined) release(userId);
    return settled !== undefined;
  };
  const run = () => {
    if (isRunning) return;
    isRunning = true;
    tasks.run(async () => {
      try {
        const { tokens } = await store.transaction((state) => state);
        if (tokens?.deviceId === undefined) return;
        lastAt = now();
        await settle();
        await maintainKeys(deps);
      } finally {
        isRunning = false;
      }
    });
  };
  return {
    run,
    runIfDue(): void {
      if (lastAt === undefined || now() - lastAt >= upkeepMs) run();
    },
    async settleFor({ type, from }: Pick<ReceivedMessage, 'type' | 'from'>): Promise<void> {
      const { userId, rotations } = await store.transaction((state) => state);
      if (rotations !== undefined && (type === 'prekey' || from.userId === userId)) await settle();
    },
    settleSoon(): void {
      tasks.run(async () => {
        for (const ms of settleMs) {
          await closing.delay(ms);
          if (!(await hasRotation())) return;
          if (await settle()) return run();
        }
      });
    },
  };
}
