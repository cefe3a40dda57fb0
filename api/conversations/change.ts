/** `PUT /conversations/{userId}`: the calling user accepts or blocks another one, or decides later. */
import type { conversationOperations } from '../../contract/messages.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { Failure } from '../../domain/failures.ts';
import { type ConversationChangeDeps, changeSide } from '../conversation-sides.ts';
import type { ApiDeps } from '../deps.ts';
import { malformed } from '../parse.ts';
import type { HandlerInput } from '../serve.ts';
import { conversationView } from './view.ts';

type Op = typeof conversationOperations.changeConversation;
type Deps = ConversationChangeDeps & Pick<ApiDeps, 'accounts'>;

/**
 * Stores the decision of the calling user. It takes effect for the next message, receipt and presence, on every process.
 * The other user is not told. Safe to repeat.
 *
 * @throws {Failure} malformed: the calling user; not-found
 */
export async function changeConversation(
  deps: Deps,
  { holder, params: { userId: peerId }, body: { state, receipts } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const { userId } = holder;
  if (peerId === userId) throw malformed('userId', 'must be another user');
  await requireKnown(deps, { userId, peerId });
  const side = await changeSide(deps, { userId, peerId }, { state, hasReceipts: receipts });
  return { status: 200, body: conversationView(side) };
}

/**
 * Requires that a user exists, or that there is a conversation with the user, who may be disabled by now.
 *
 * @throws {Failure} not-found
 */
async function requireKnown(
  { accounts, conversations }: Deps,
  { userId, peerId }: { userId: string; peerId: string },
): Promise<void> {
  const [account, side] = await Promise.all([accounts.read(peerId), conversations.read(userId, peerId)]);
  const isEnabled = account !== undefined && account.disabledAt === undefined;
  if (!isEnabled && side === undefined) throw new Failure('not-found');
}
