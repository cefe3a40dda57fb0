/** The account of a person: words and ids. */

/** The id of the workflow that takes away or gives back the access of a person: one of them runs at a time. */
export function userAccessWorkflowId(userId: string): string {
  return `user-access:${userId}`;
}

/** How a person is named at a log-in. A number is E.164. */
export interface Identifier {
  kind: 'username' | 'phone' | 'email';
  value: string;
}

/** What ends sessions by itself, from the configuration. Milliseconds. */
export interface SessionLife {
  /** Without activity. */
  idleMs: number;
  /** However active it is. */
  lifeMs: number;
  /** Of a refresh token that is not used. */
  refreshMs: number;
  /** A person has one session; a new one ends the one before. */
  isSingle: boolean;
}

/** How long a refresh token that is given out now lives: never longer than its session may. Milliseconds. */
export function refreshLife({ refreshMs }: SessionLife, endsAt: number, now: number): number {
  return Math.min(refreshMs, endsAt - now);
}

/** The id of the workflow that tries a name and password at the directory. */
export function directoryLogInWorkflowId(attemptId: string): string {
  return `directory-login:${attemptId}`;
}
