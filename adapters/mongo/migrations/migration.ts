/** What a migration is. */
import type { Connection } from 'mongoose';
import type { HashOf } from '../identity-hashes.ts';

/**
 * A change of stored data or indexes that a new build needs. Its file is never changed once it was released.
 *
 * The previous build still runs while it is made and after it, so it only adds: what nobody uses any more is removed by a
 * migration of a later release.
 */
export interface Migration {
  /** Three digits, which order it, and its subject: the name of its file. */
  id: string;
  /** What it does, for operators. */
  about: string;
  /** Makes the change. Safe to repeat, as a whole and from any saved position. */
  run(tools: MigrationTools): Promise<void>;
}

/** What a migration works with. */
export interface MigrationTools {
  connection: Connection;
  /** Returns the keyed hashes under which identifiers are claimed. */
  hashOf: HashOf;
  /** The position that an interrupted run has saved; undefined at the first. */
  position: string | undefined;
  /** Saves how far it is. @throws {Error} another process has taken over */
  save(position: string): Promise<void>;
}
