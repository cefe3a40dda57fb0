/** Recorded histories of registrations, links and removals of devices, for replay. */
import { globSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { PayloadCodec } from '@temporalio/common';
import { createWorkflowCodec } from '../../adapters/temporal/codec.ts';
import { readOperatorKeys } from '../../platform/config/config.ts';

/** The folder of the histories. */
export const historiesFolder = resolve(import.meta.dirname, '..', 'histories');

/** The payload key of the recordings: 32 bytes in base64, published on purpose. */
export const historiesKey = Buffer.from('published key of test/histories!').toString('base64');

/** Returns the codec of the recordings, which also opens what is sealed to a role. */
export function historiesCodec(): PayloadCodec {
  return createWorkflowCodec(readOperatorKeys({ PAYLOAD_KEY: historiesKey }, ['PAYLOAD_KEY']));
}

/** A history as JSON, in the format of the Temporal CLI and API. */
export interface RecordedHistory {
  name: string;
  history: { events: Record<string, unknown>[] };
}

/** Returns every recorded history, by name. */
export function readHistories(): RecordedHistory[] {
  return globSync('*.json', { cwd: historiesFolder })
    .map((file) => basename(file, '.json'))
    .sort()
    .map((name) => ({
      name,
      history: JSON.parse(readFileSync(resolve(historiesFolder, `${name}.json`), 'utf8')),
    }));
}
