/** Recorded histories of registrations, for replay. */
import { globSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';

/** The folder of the histories. */
export const historiesFolder = resolve(import.meta.dirname, '..', 'histories');

/** The payload key of the recordings: 32 bytes in base64, published on purpose. */
export const historiesKey = Buffer.from('published key of test/histories!').toString('base64');

/** A history as JSON, in the format of the Temporal CLI and API. */
export interface RecordedHistory {
  name: string;
  history: { events: Record<string, unknown>[] };
}

/** Returns every recorded history. */
export function readHistories(): RecordedHistory[] {
  return globSync('*.json', { cwd: historiesFolder })
    .sort()
    .map((file) => ({
      name: basename(file, '.json'),
      history: JSON.parse(readFileSync(resolve(historiesFolder, file), 'utf8')),
    }));
}
