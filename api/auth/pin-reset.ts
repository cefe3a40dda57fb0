/** `/auth/pin/reset`: a forgotten PIN, replaced by who is logged in and has a fresh code. */
import { z } from 'zod';
import type { Session } from '../../adapters/redis/sessions.ts';
import { pinResetWorkflowId } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { languageFor } from '../../domain/templates/languages.ts';
import { type Channel, channels } from '../../domain/verification.ts';
import { newId } from '../../platform/crypto.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { idempotent } from '../guards.ts';
import { limited, limitSend } from '../limits.ts';
import { malformed, parse, pinText, text } from '../schemas.ts';
import { requireStrongPin } from '../strength.ts';
import { changeCredential } from './credentials.ts';
import { reachOf, requireRightCode, startCode } from './log-in.ts';

/** How the code is to come. */
export const PinResetRequest = z.strictObject({
  channel: z.enum(channels).optional().describe('By default SMS, or e-mail where there is no number'),
});

/** A reset that waits for its code. */
export const StartedPinReset = z
  .object({ resetId: z.string(), channel: z.enum(channels), expiresAt: z.iso.datetime() })
  .meta({ id: 'StartedPinReset' });

/** A code as typed, the reset that it is for, and the new PIN. */
export const PinReset = z.strictObject({
  resetId: text(64),
  code: z.string().regex(/^\d{4,10}$/, 'must be 4 to 10 digits'),
  pin: pinText,
});

/**
 * Sends a code to the number or address of the account.
 *
 * @throws {Failure} malformed, channel-not-available, rate-limited, idempotency-key-reused, unavailable
 */
export async function beginPinReset(
  deps: ApiDeps,
  session: Session,
  body: unknown,
  caller: Caller,
): Promise<z.output<typeof StartedPinReset>> {
  const { userId } = session;
  const given = parse(PinResetRequest, body ?? {});
  const { channel: wished = 'sms' } = given;
  if (wished === 'voice' && deps.rules.voiceWaitsSeconds === undefined) {
    throw malformed('channel', 'no codes are spoken by this server');
  }
  return idempotent(deps, { scope: ['pin-reset', userId], caller, body: given }, newId(), async (resetId) => {
    const account = await deps.accounts.read(userId);
    const reach = account && reachOf(deps, account, wished);
    if (reach === undefined) throw new Failure('channel-not-available');
    const { channel, limitKeys, to, country } = reach;
    await requireNoHold(deps, session, channel, caller);
    const consumed = await limitSend(deps, caller, { limitKeys, channels: [channel] }, resetId);
    const ttlSeconds = deps.rules.codeTtlSeconds;
    const expiresAt = Date.now() + ttlSeconds * 1000;
    // a reset is proven as a log-in is; its code is bound to its own purpose
    await deps.logins.create(resetId, { userId, channel, limitKeys, expiresAt });
    const of = { subject: resetId, purpose: 'pin-reset' } as const;
    const locale = languageFor(account?.locale, caller.acceptLanguage);
    const input = { ...of, channel, to, ttlSeconds, until: expiresAt };
    const flow = { workflowId: pinResetWorkflowId(resetId), staticSummary: 'Code for a new PIN', userId };
    await startCode(deps, flow, { ...input, ...(country && { country }), ...(locale && { locale }) }).catch(
      async (err: unknown) => {
        await consumed.refund();
        throw err;
      },
    );
    deps.events.codeRequested(of, channel, 1);
    return { resetId, channel, expiresAt: new Date(expiresAt).toISOString() };
  });
}

/**
 * Replaces the PIN, once a code. Every other session of the person ends, and the owner is told.
 *
 * @throws {Failure} malformed, password-weak, not-found, code-wrong, code-expired, rate-limited, unavailable
 */
export async function resetPin(deps: ApiDeps, session: Session, body: unknown, caller: Caller): Promise<void> {
  const { userId, sessionId } = session;
  const { resetId, code, pin } = parse(PinReset, body);
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
