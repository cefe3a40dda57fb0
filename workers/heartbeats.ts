/** Heartbeats of the processes that serve no requests, for /health/ready of the API. */

import type { Redis } from '../adapters/redis/connect.ts';
import { createHeartbeats } from '../adapters/redis/heartbeats.ts';
import type { Role } from '../platform/config/roles.ts';
import { newId } from '../platform/crypto.ts';
import { checkHealth, runEvery } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/log.ts';

/** A health check of a dependency, run every few seconds. The dependency is up if the promise resolves. */
export interface Check {
  name: string;
  check: () => Promise<void>;
}

const beatMs = 5000;

/** Writes a heartbeat with the health of the dependencies to Redis every 5 s, until it is disposed. */
export function beat(role: Role, redis: Redis, checks: readonly Check[], log: Logger): AsyncDisposable {
  const heartbeats = createHeartbeats(redis);
  const processId = newId();
  const loop = runEvery(
    beatMs,
    async () => {
      const dependencies = await Promise.all(checks.map(({ name, check }) => checkHealth(name, check)));
      await heartbeats.beat(role, processId, { at: Date.now(), dependencies });
    },
    (err) => log.warn({ event: 'heartbeat.failed', reason: (err as Error).message }),
  );
  return {
    async [Symbol.asyncDispose]() {
      await loop[Symbol.asyncDispose]();
      await heartbeats.stop(role, processId).catch(() => undefined);
    },
  };
}
