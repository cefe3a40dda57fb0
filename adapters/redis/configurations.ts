/**
 * The configuration of the last start of each role, as keyed hashes.
 *
 * Consistency: one command stores the hashes and returns those before, so that of several processes that start with a new
 * configuration one sees the change. When Redis is unavailable, calls throw.
 */
import { type ConfigurationHashes, compareConfigurations, hashConfiguration } from '../../platform/config/hashes.ts';
import type { Role } from '../../platform/config/roles.ts';
import type { Events } from '../../platform/events/events.ts';
import type { KeyRing } from '../../platform/keyring.ts';
import type { Redis } from './connect.ts';
import { keys } from './keys.ts';

/** Stores the hashes of a start and returns those of the last one; undefined if there was none. */
async function replaceConfiguration(
  redis: Redis,
  role: Role,
  hashes: ConfigurationHashes,
): Promise<ConfigurationHashes | undefined> {
  const before = await redis.set(keys.configuration({ role }), JSON.stringify(hashes), 'GET');
  return before === null ? undefined : (JSON.parse(before) as ConfigurationHashes);
}

/**
 * Records that a process is ready, with what changed in its configuration since the last start of its role. Without Redis, the
 * event tells of no change. Never throws.
 */
export async function recordStart(
  { redis, events, config }: { redis: Redis; events: Pick<Events, 'processStarted'>; config: { KEYS: KeyRing } },
  role: Role,
): Promise<void> {
  const hashes = hashConfiguration(role, config.KEYS);
  const before = await replaceConfiguration(redis, role, hashes).catch(() => undefined);
  events.processStarted(compareConfigurations(hashes, before));
}
