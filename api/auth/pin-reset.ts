/** `/auth/pin/reset`: a forgotten PIN, replaced by a fresh code within a session. */

import type { credentialOperations } from '../../contract/auth.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { Failure } from '../../domain/failures.ts';
import type { AuthSession } from '../../domain/session.ts';
import { languageFor } from '../../domain/templates/languages.ts';
import type { Channel } from '../../domain/verification.ts';
import { pinResetWorkflowId } from '../../domain/workflow-ids.ts';
import { newId } from '../../platform/crypto.ts';
import { type CredentialChangeDeps, changeCredential } from '../credentials.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { limitSend, type SendLimitDeps } from '../limits/codes.ts';
import { limited } from '../limits/counting.ts';
import { type OtpCheckDeps, type OtpSendDeps, reachOf, requireEpoch, requireRightCode, startOtp } from '../otp.ts';
import { malformed } from '../parse.ts';
import type { HandlerInput } from '../serve.ts';
import { requireStrongPin } from '../strength.ts';

type Begin = typeof credentialOperations.beginPinReset;
type Reset = typeof credentialOperations.resetPin;
type HoldDeps = Pick<ApiDeps, 'recoveries' | 'config'>;
type BeginDeps = OtpSendDeps & SendLimitDeps & HoldDeps & Pick<ApiDeps, 'accounts'>;
type ResetDeps = OtpCheckDeps & CredentialChangeDeps & HoldDeps & Pick<ApiDeps, 'logins' | 'rules' | 'accounts'>;

/**
 * Sends a code to the number or address of the account.
 *
 * @throws {Failure} malformed, channel-not-available, rate-limited, idempotency-key-reused, unavailable
 */
export async function beginPinReset(
  deps: BeginDeps,
  { holder: session, body, caller, minted: { id: resetId } }: HandlerInput<Begin>,
): Promise<AnswerOf<Begin>> {
  const { userId } = session;
  const { channel: wanted = 'sms' } = body ?? {};
  if (wanted === 'voice' && deps.rules.voiceWaitsSeconds === undefined) {
    throw malformed('channel', 'is not available: this server makes no calls');
  }
  const account = await deps.accounts.read(userId);
  const destination = account && reachOf(deps, account, wanted);
  if (destination === undefined) throw new Failure('channel-not-available');
  const { channel, limitKeys } = destination;
  await requireNoHold(deps, session, channel, caller);
  const consumed = await limitSend(deps, caller, { limitKeys, channels: [channel] }, resetId);
  const of = { subject: resetId, purpose: 'pin-reset' } as const;
  const expiresAt = await startOtp(deps, consumed, {
    of,
    destination,
    locale: languageFor(account?.locale, caller.acceptLanguage),
    workflowId: pinResetWorkflowId(resetId),
    staticSummary: 'Code for a new PIN',
  });
  const { to, country } = destination;
  deps.events.codeRequested({ ...of, channel, send: 1, identity: to, country });
  return { status: 202, body: { resetId, channel, expiresAt: new Date(expiresAt).toISOString() } };
}

/**
 * Replaces the PIN, once per code. Every other session of the user ends, and the owner is notified.
 *
 * @throws {Failure} malformed, password-weak, not-found, code-wrong, code-expired, rate-limited, unavailable
 */
export async function resetPin(
  deps: ResetDeps,
  { holder: session, body: { resetId, code, pin }, caller }: HandlerInput<Reset>,
): Promise<AnswerOf<Reset>> {
  const { userId, sessionId } = session;
  requireStrongPin(pin);
  // counted before the comparison, so that parallel guesses never exceed the limit
  const of = { subject: resetId, purpose: 'pin-reset' } as const;
  const begun = await deps.logins.countTry(resetId, { ...of, userId });
  if (begun === undefined) throw new Failure('not-found');
  if (begun.isExpired) throw new Failure('code-expired');
  await requireNoHold(deps, session, begun.channel, caller);
  await requireRightCode(deps, of, begun, code, caller);
  requireEpoch(await deps.accounts.read(userId), begun);
  const changeId = newId();
  if (!(await deps.logins.takeSession(resetId, changeId))) {
    throw new Failure('code-expired', { message: 'This code was already used; request another' });
  }
  const { epoch = 0 } = begun;
  await changeCredential(deps, { userId, sessionId, kind: 'pin', why: 'reset', secret: pin, changeId, epoch });
  return { status: 204 };
}

/**
 * Refuses a channel that a recovery, or a log-in with only a code by e-mail, has verified during the last
 * `PIN_RESET_WAIT` seconds. A session older than that began before the recovery, which ends all sessions.
 *
 * @throws {Failure} rate-limited, with the seconds until the channel is accepted
 */
async function requireNoHold(
  { recoveries, config }: HoldDeps,
  { userId, createdAt, readAt }: AuthSession,
  channel: Channel,
  { noteLimit }: Caller,
): Promise<void> {
  const heldSeconds = await recoveries.pinHeldSeconds(userId, channel === 'email' ? 'email' : 'sms');
  const youngSeconds = Math.ceil((createdAt - readAt) / 1000) + config.PIN_RESET_WAIT;
  const resetSeconds = Math.min(heldSeconds, youngSeconds);
  if (resetSeconds <= 0) return;
  const limit = 'pin-reset-after-recovery';
  noteLimit?.({ limit, allowed: false, max: 0, remaining: 0, resetSeconds });
  throw limited(limit, resetSeconds);
}
