/** `/auth/pin/reset`: a forgotten PIN, replaced by who is logged in and has a fresh code. */
import type { Session } from '../../adapters/redis/sessions.ts';
import type { credentialOperations } from '../../contract/auth.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { pinResetWorkflowId } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { languageFor } from '../../domain/templates/languages.ts';
import type { Channel } from '../../domain/verification.ts';
import { newId } from '../../platform/crypto.ts';
import { changeCredential } from '../credentials.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { limited, limitSend } from '../limits.ts';
import { reachOf, requireRightCode, startCode } from '../otp.ts';
import { malformed } from '../parse.ts';
import type { HandlerInput } from '../serve.ts';
import { requireStrongPin } from '../strength.ts';

type Begin = typeof credentialOperations.beginPinReset;
type Reset = typeof credentialOperations.resetPin;

/**
 * Sends a code to the number or address of the account.
 *
 * @throws {Failure} malformed, channel-not-available, rate-limited, idempotency-key-reused, unavailable
 */
export async function beginPinReset(
  deps: ApiDeps,
  { holder: session, body, caller, minted: { id: resetId } }: HandlerInput<Begin>,
): Promise<AnswerOf<Begin>> {
  const { userId } = session;
  const { channel: wished = 'sms' } = body ?? {};
  if (wished === 'voice' && deps.rules.voiceWaitsSeconds === undefined) {
    throw malformed('channel', 'no codes are spoken by this server');
  }
  const account = await deps.accounts.read(userId);
  const reach = account && reachOf(deps, account, wished);
  if (reach === undefined) throw new Failure('channel-not-available');
  const { channel, limitKeys, to, country } = reach;
  await requireNoHold(deps, session, channel, caller);
  const consumed = await limitSend(deps, caller, { limitKeys, channels: [channel] }, resetId);
  const ttlSeconds = deps.rules.codeTtlSeconds;
  const expiresAt = Date.now() + ttlSeconds * 1000;
  // a reset is verified as a log-in is; its code is bound to its own purpose
  await deps.logins.create(resetId, { userId, channel, limitKeys, expiresAt });
  const of = { subject: resetId, purpose: 'pin-reset' } as const;
  const locale = languageFor(account?.locale, caller.acceptLanguage);
  const input = { ...of, channel, to, ttlSeconds, until: expiresAt };
  const execution = { workflowId: pinResetWorkflowId(resetId), staticSummary: 'Code for a new PIN', userId };
  await startCode(deps, execution, { ...input, ...(country && { country }), ...(locale && { locale }) }).catch(
    async (err: unknown) => {
      await consumed.refund();
      throw err;
    },
  );
  deps.events.codeRequested(of, channel, 1);
  return { status: 202, body: { resetId, channel, expiresAt: new Date(expiresAt).toISOString() } };
}

/**
 * Replaces the PIN, once a code. Every other session of the person ends, and the owner is told.
 *
 * @throws {Failure} malformed, password-weak, not-found, code-wrong, code-expired, rate-limited, unavailable
 */
export async function resetPin(
  deps: ApiDeps,
  { holder: session, body: { resetId, code, pin }, caller }: HandlerInput<Reset>,
): Promise<AnswerOf<Reset>> {
  const { userId, sessionId } = session;
  requireStrongPin(pin);
  // counted before it is compared: parallel guesses never exceed the bound
  const begun = await deps.logins.countTry(resetId);
  if (begun === undefined || begun.userId !== userId) throw new Failure('not-found');
  if (begun.expiresAt <= Date.now()) throw new Failure('code-expired');
  await requireNoHold(deps, session, begun.channel, caller);
  await requireRightCode(deps, { subject: resetId, purpose: 'pin-reset' }, begun, code, caller);
  const changeId = newId();
  if (!(await deps.logins.takeSession(resetId, changeId))) {
    throw new Failure('code-expired', { message: 'This code was used; ask for another' });
  }
  await changeCredential(deps, { userId, sessionId, kind: 'pin', why: 'reset', secret: pin, changeId });
  return { status: 204 };
}

/**
 * Refuses as the proof for a PIN what a recovery, or a log-in by a mailed code alone, has proven already. A session that is older
 * than the wait began before it: a recovery leaves none.
 *
 * @throws {Failure} rate-limited, with when it is one
 */
async function requireNoHold(
  { recoveries, config }: ApiDeps,
  { userId, createdAt }: Session,
  channel: Channel,
  { noteLimit }: Caller,
): Promise<void> {
  const heldSeconds = await recoveries.pinHeldSeconds(userId, channel === 'email' ? 'email' : 'sms');
  const youngSeconds = Math.ceil((createdAt - Date.now()) / 1000) + config.PIN_RESET_WAIT;
  const resetSeconds = Math.min(heldSeconds, youngSeconds);
  if (resetSeconds <= 0) return;
  const limit = 'pin-reset-after-recovery';
  noteLimit?.({ limit, allowed: false, max: 0, remaining: 0, resetSeconds });
  throw limited(limit, resetSeconds);
}
