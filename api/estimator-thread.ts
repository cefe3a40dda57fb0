/**
 * The thread of `estimator.ts`. It loads zxcvbn and its dictionaries once, at the first password, which takes a third
 * of a second, and estimates one password after the other.
 */
import { parentPort } from 'node:worker_threads';
import type { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { dropPermissions } from '../platform/lifecycle.ts';
import type { Answer, Question } from './estimator.ts';

/**
 * What is judged of a password, in characters: the time of zxcvbn grows with the square of the length, to a second for
 * 128 characters with substitutions. A password whose beginning is safely unguessable is so as a whole.
 */
const judgedMax = 32;

/** Returns the estimate of a password; undefined if zxcvbn fails, whose error could contain a part of the password. */
function judge(zxcvbn: ZxcvbnFactory, { password, known }: Question): Answer {
  try {
    const { score, feedback } = zxcvbn.check([...password].slice(0, judgedMax).join(''), [...known]);
    return { score, warning: feedback.warning ?? '' };
  } catch {
    return undefined;
  }
}

let loading: Promise<typeof import('./zxcvbn.ts')> | undefined;

parentPort?.on('message', async (question: Question) => {
  loading ??= import('./zxcvbn.ts');
  const { zxcvbn } = await loading;
  parentPort?.postMessage(judge(zxcvbn, question));
});

// a thread has permissions of its own; this one reads code and computes
dropPermissions(['worker', 'addon', 'child', 'net', 'fs.write'], []);
