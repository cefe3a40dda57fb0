/**
 * Directory log-in: checks one user name and password against the directory while the caller waits. Nothing is stored,
 * and there are no compensations. An unavailable directory is reported immediately.
 */
import { ActivityFailure, proxyActivities } from '@temporalio/workflow';
import type { DirectoryActivities } from '../activities/directory.ts';
import { isOutage } from './refusals.ts';
import { heartbeatTimeout, retry } from './retries.ts';

/** The input of a directory log-in. */
export interface DirectoryLogInInput {
  username: string;
  /** Immutable id of the entry, by which a linked person is found. */
  directoryId?: string | undefined;
  /** The tries of the user name are used up: the same requests are made, and the password is not tried. */
  isSpent?: boolean;
  /** Reference to the one-time secret that holds the password. */
  passwordRef: string;
}

/** The result; `ok` includes the id of the directory entry and its user name. */
export type DirectoryLogInAnswer =
  | { outcome: 'ok'; directoryId: string; username?: string }
  | { outcome: 'refused' }
  | { outcome: 'unavailable' };

const { authenticate } = proxyActivities<DirectoryActivities>({
  taskQueue: 'directory',
  startToCloseTimeout: '10s',
  scheduleToCloseTimeout: '15s',
  heartbeatTimeout,
  retry,
});

/** Returns the directory entry that the user name and password belong to. */
export async function directoryLogIn(input: DirectoryLogInInput): Promise<DirectoryLogInAnswer> {
  try {
    const answer = await authenticate(input);
    if (answer.outcome === 'ok') {
      const { directoryId = '', username } = answer.identity;
      return { outcome: 'ok', directoryId, ...(username !== undefined && { username }) };
    }
    return answer.outcome === 'lost' ? { outcome: 'unavailable' } : { outcome: 'refused' };
  } catch (err) {
    // directory unavailable, or no directory worker responded in time
    if (isOutage(err) || err instanceof ActivityFailure) return { outcome: 'unavailable' };
    throw err;
  }
}
