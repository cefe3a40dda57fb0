/** Every migration, in order. A new one is added at the end, and none is ever removed. */
import { archiveExpiry } from './001-archive-expiry.ts';
import { claimedLookalikes } from './002-claimed-lookalikes.ts';
import type { Migration } from './migration.ts';

/** The migrations of this build. */
export const migrations: readonly Migration[] = [archiveExpiry, claimedLookalikes];
