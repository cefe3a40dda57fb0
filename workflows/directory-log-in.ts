/**
 * Directory log-in: one name and password tried at the directory, for somebody who waits for the answer. Nothing is kept and
 * nothing undone; a directory that is away is an answer at once.
 */
import { ActivityFailure, proxyActivities } from '@temporalio/workflow';
import type { DirectoryActivities } from '../activities/directory.ts';
import { isOutage } from './refusals.ts';
import { heartbeatTimeout, retry } from './retries.ts';

export interface DirectoryLogInInput {
  username: string;
  /** Reference of the sealed password. */
  passwordRef: string;
}

/** `ok` with the id of the entry. */
export type DirectoryLogInAnswer =
  | { outcome: 'ok'; directoryId: string }
  | { outcome: 'refused' }
  | { outcome: 'unavailable' };

const { authenticate } = proxyActivities<DirectoryActivities>({
  taskQueue: 'directory',
  startToCloseTimeout: '10s',
  scheduleToCloseTimeout: '15s',
  heartbeatTimeout,
  retry,
});

/** Says whose name and password these are. */
export async function directoryLogIn(input: DirectoryLogInInput): Promise<DirectoryLogInAnswer> {
  try {
    const answer = await authenticate(input);
    if (answer.outcome === 'ok') return { outcome: 'ok', directoryId: answer.identity.directoryId ?? '' };
    return answer.outcome === 'lost' ? { outcome: 'unavailable' } : { outcome: 'refused' };
  } catch (err) {
    // away, or no worker of the role has answered in time
    if (isOutage(err) || err instanceof ActivityFailure) return { outcome: 'unavailable' };
    throw err;
  }
}
