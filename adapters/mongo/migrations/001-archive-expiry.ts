/** Migration 001: the index of the archive of inboxes. */
import type { Migration } from './migration.ts';

/** Creates the index by which pages of archived messages expire. */
export const archiveExpiry: Migration = {
  id: '001-archive-expiry',
  about: 'creates the index by which archived messages expire',
  async run({ connection }) {
    await connection.collection('archive').createIndex({ lastAt: 1 });
  },
};
