/** Every migration, in order. Add a new one at the end, and never remove one. */
import { archiveExpiry } from './001-archive-expiry.ts';
import { claimedLookalikes } from './002-claimed-lookalikes.ts';
import type { Migration } from './migration.ts';

/** The migrations of this build. */
export const migrations: readonly Migration[] = [archiveExpiry, claimedLookalikes];
