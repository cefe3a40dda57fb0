import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  acceptedSide,
  begunSide,
  type ConversationSide,
  changedSide,
  conversationCode,
} from '../../domain/conversation.ts';
import { type ConversationCode, type ConversationState, conversationCodes } from '../../domain/message.ts';

const sides: Record<ConversationCode, ConversationSide | undefined> = {
  n: undefined,
  a: { state: 'accepted', hasReceipts: true },
  r: { state: 'requested', hasReceipts: true },
  ba: { state: 'blocked', was: 'a', hasReceipts: true },
  bn: { state: 'blocked', was: 'n', hasReceipts: true },
  br: { state: 'blocked', was: 'r', hasReceipts: true },
};

/** What each side becomes, in the order of `conversationCodes`. */
const after = (change: (side: ConversationSide | undefined) => ConversationSide) =>
  conversationCodes.map((code) => conversationCode(change(sides[code]))).join(' ');

describe('A side of a conversation', () => {
  it('has one code', () => {
    assert.equal(conversationCodes.map((code) => conversationCode(sides[code])).join(' '), 'a n r ba bn br');
  });

  it('keeps what it was before a block, and is a stranger after a later decision', () => {
    const to = (state: ConversationState) => after((side) => changedSide(side, { state }));
    assert.equal(to('accepted'), 'a a a a a a');
    assert.equal(to('blocked'), 'ba bn br ba bn br');
    assert.equal(to('requested'), 'r n r r n r');
  });

  it('is accepted by a message, unless it is blocked', () => {
    assert.equal(after(acceptedSide), 'a a a ba bn br');
  });

  it('records the one message of a stranger, also of a blocked one', () => {
    assert.equal(after(begunSide), 'a r r ba br br');
    const undecided = changedSide(undefined, { state: 'requested' });
    assert.equal(conversationCode(begunSide(undecided)), 'r');
  });

  it('keeps its receipts until another decision', () => {
    const silent = changedSide(undefined, { state: 'accepted', hasReceipts: false });
    assert.equal(silent.hasReceipts, false);
    for (const side of [changedSide(silent, { state: 'blocked' }), acceptedSide(silent), begunSide(silent)]) {
      assert.equal(side.hasReceipts, false);
    }
    assert.equal(changedSide(silent, { state: 'accepted', hasReceipts: true }).hasReceipts, true);
  });
});
