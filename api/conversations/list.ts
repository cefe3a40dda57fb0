/** `GET /conversations`: what the calling user decided about others. */
import type { conversationOperations } from '../../contract/messages.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { openCursor, signCursor } from '../cursors.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';
import { conversationView } from './view.ts';

type Op = typeof conversationOperations.listConversations;

/**
 * Lists the sides of the calling user in the order of the ids of the others, so that a page continues after the last user of
 * the page before, whatever was decided meanwhile.
 *
 * @throws {Failure} malformed
 */
export async function listConversations(
  { conversations, hashKey }: Pick<ApiDeps, 'conversations' | 'hashKey'>,
  { holder: { userId }, query: { limit, cursor } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const scope = ['conversations', userId];
  const after = cursor === undefined ? undefined : openCursor(hashKey, cursor, scope);
  const found = await conversations.list(userId, { after, limit: limit + 1 });
  const page = found.slice(0, limit);
  const end = found.length > limit ? page.at(-1) : undefined;
  return {
    status: 200,
    body: {
      items: page.map((side) => ({
        userId: side.peerId,
        ...conversationView(side),
        changedAt: side.changedAt.toISOString(),
      })),
      nextCursor: end === undefined ? null : signCursor(hashKey, end.peerId, scope),
    },
  };
}
