/** The account of a person: words and ids. */

/** The id of the workflow that takes away or gives back the access of a person: one of them runs at a time. */
export function userAccessWorkflowId(userId: string): string {
  return `user-access:${userId}`;
}
