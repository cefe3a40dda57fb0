/**
 * Records test/client/vectors/transcripts.json. Recorded bytes are the protocol: a change of them is another version.
 *
 *     node test/support/record-transcripts.ts
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { playTranscript } from './transcripts.ts';

const count = 20;
const transcripts: string[] = [];
for (let number = 0; number < count; number += 1) transcripts.push(JSON.stringify(await playTranscript(number)));
writeFileSync(join(import.meta.dirname, '../client/vectors/transcripts.json'), `[\n${transcripts.join(',\n')}\n]\n`);
