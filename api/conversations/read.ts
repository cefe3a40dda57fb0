/** `GET /conversations/{userId}`: what the calling user decided about another one. */
import type { conversationOperations } from '../../contract/messages.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { Failure } from '../../domain/failures.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';
import { conversationView } from './view.ts';

type Op = typeof conversationOperations.readConversation;

/**
 * Returns the side of the calling user. An unknown user and one with whom there is nothing are the same.
 *
 * @throws {Failure} not-found
 */
export async function readConversation(
  { conversations }: Pick<ApiDeps, 'conversations'>,
  { holder: { userId }, params }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const side = await conversations.read(userId, params.userId);
  if (side === undefined) throw new Failure('not-found');
  return { status: 200, body: conversationView(side) };
}
