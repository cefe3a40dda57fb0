/**
 * A forgotten password: `POST /auth/password/forgot`, `/reset` and `/stop`.
 *
 * Whoever asks is answered before anybody looks whether there is such a person: the look-up is the first step of a workflow.
 * What differs is only what arrives at the owner's address.
 */
import { z } from 'zod';
import { startWorkflow } from '../../adapters/temporal/client-calls.ts';
import { recoveryWorkflowId } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { newId } from '../../platform/crypto.ts';
import { recovery } from '../../workflows/recovery.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { idempotent } from '../guards.ts';
import { limitRecovery } from '../limits.ts';
import { messageToken, parse, secretText, text } from '../schemas.ts';
import { requireStrongPassword } from '../strength.ts';
import { changeCredential, wordsOf } from './credentials.ts';
import { nameKeyOf, readIdentifier } from './identifier.ts';

/** Whose password is forgotten. */
export const ForgottenPassword = z.strictObject({
  identifier: text(320).describe('User name, telephone number with country code, or e-mail address'),
});

/** A new password, by the token of the message. */
export const PasswordReset = z.strictObject({ token: messageToken, password: secretText(8, 128) });

/** The other token of the message. */
export const RecoveryStop = z.strictObject({ token: messageToken });

/**
 * Has the owner sent how to choose a new password; the same for everybody who is named, known or not.
 *
 * @throws {Failure} malformed, rate-limited, idempotency-key-reused, unavailable
 */
export async function forgetPassword(deps: ApiDeps, body: unknown, caller: Caller): Promise<void> {
  const given = parse(ForgottenPassword, body);
  const identifier = readIdentifier(given.identifier);
  const scope = ['password-forgot', caller.address];
  await idempotent(deps, { scope, caller, body: given }, newId(), async (recoveryId) => {
    const consumed = await limitRecovery(deps, caller, nameKeyOf(deps, identifier), recoveryId);
    await startWorkflow(deps, recovery, {
      taskQueue: 'registration',
      workflowId: recoveryWorkflowId(recoveryId),
      staticSummary: 'Recovery of a password',
      args: [{ recoveryId, identifier, ttlSeconds: deps.config.RECOVERY_TTL }],
    }).catch(async (err: unknown) => {
      await consumed.refund();
      throw err;
    });
    deps.events.recoveryBegun({ recoveryId, identity: identifier.value });
    return null;
  });
}

/**
 * Replaces the password, once a token. Every session of the person ends, and the owner is told. A password that is refused
 * does not use the token up. For `PIN_RESET_WAIT` seconds no code by the channel of the message replaces the PIN.
 *
 * @throws {Failure} malformed, token-invalid, password-weak, unavailable
 */
export async function resetPassword(deps: ApiDeps, body: unknown): Promise<void> {
  const given = parse(PasswordReset, body);
  const { recoveryId, userId, channel } = await requireRecovery(deps, given.token, 'reset');
  const account = await deps.accounts.read(userId);
  if (account === undefined || account.disabledAt !== undefined) throw new Failure('token-invalid');
  await requireStrongPassword(deps, given.password, wordsOf(account));
  if (!(await deps.recoveries.take(recoveryId))) throw new Failure('token-invalid');
  try {
    // before the password counts: whoever has only the mailbox must not get the PIN by it as well
    await deps.recoveries.holdPin(userId, channel, deps.config.PIN_RESET_WAIT);
    const change = { userId, kind: 'password', why: 'reset', secret: given.password, changeId: recoveryId } as const;
    await changeCredential(deps, change);
  } catch (err) {
    await deps.recoveries.refund(recoveryId);
    throw err;
  }
  await deps.recoveries.end(recoveryId);
}

/** Ends a recovery that its owner did not ask for. @throws {Failure} malformed, token-invalid */
export async function stopRecovery(deps: ApiDeps, body: unknown): Promise<void> {
  const given = parse(RecoveryStop, body);
  const { recoveryId, userId } = await requireRecovery(deps, given.token, 'stop');
  await deps.recoveries.end(recoveryId);
  deps.events.recoveryStopped({ recoveryId, userId });
}

async function requireRecovery({ recoveries }: ApiDeps, given: string, use: 'reset' | 'stop') {
  const found = await recoveries.find(given, use);
  if (found === undefined) throw new Failure('token-invalid');
  return found;
}
