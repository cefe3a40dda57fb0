/** Histories of registrations that were recorded, for replay. */
import { globSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';

/** Where they are. */
export const historiesFolder = resolve(import.meta.dirname, '..', 'histories');

/** The payload key they were recorded with: 32 bytes in base64, published on purpose. */
export const historiesKey = Buffer.from('published key of test/histories!').toString('base64');

/** A history as JSON, in the form of the Temporal command line and API. */
export interface RecordedHistory {
  name: string;
  history: { events: Record<string, unknown>[] };
}

/** Every recorded history. */
export function readHistories(): RecordedHistory[] {
  return globSync('*.json', { cwd: historiesFolder })
    .sort()
    .map((file) => ({
      name: basename(file, '.json'),
      history: JSON.parse(readFileSync(resolve(historiesFolder, file), 'utf8')),
    }));
}
