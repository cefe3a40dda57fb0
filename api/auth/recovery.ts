/**
 * A forgotten password: `POST /auth/password/forgot`, `/reset` and `/stop`.
 *
 * The response is sent before the user is looked up, which is the first step of a workflow. For known and unknown users
 * only the delivered message differs.
 */
import type { Recovery } from '../../adapters/redis/recoveries.ts';
import { startWorkflow } from '../../adapters/temporal/client-calls.ts';
import type { credentialOperations } from '../../contract/auth.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { epochOf } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { recoveryWorkflowId } from '../../domain/workflow-ids.ts';
import { recovery } from '../../workflows/recovery.ts';
import {
  type CredentialChangeDeps,
  type CredentialCheckDeps,
  changeCredential,
  requireCredential,
  wordsOf,
} from '../credentials.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { type LimitDeps, orRefund } from '../limits/counting.ts';
import { limitRecovery, limitReset } from '../limits/log-ins.ts';
import type { HandlerInput } from '../serve.ts';
import { requireStrongPassword, type StrengthDeps } from '../strength.ts';
import { nameKeyOf, readIdentifier } from './identifier.ts';
import { isAskedAfter, secretAsked } from './own-secret.ts';

type Ops = typeof credentialOperations;
type ResetDeps = CredentialChangeDeps &
  CredentialCheckDeps &
  StrengthDeps &
  Pick<ApiDeps, 'recoveries' | 'accounts' | 'config' | 'rateLimits'>;

/**
 * Sends the owner of an account a link to choose a new password; the answer is the same for unknown users.
 *
 * @throws {Failure} malformed, rate-limited, idempotency-key-reused, unavailable
 */
export async function forgetPassword(
  deps: LimitDeps & Pick<ApiDeps, 'temporal'>,
  { body, caller, minted: { id: recoveryId } }: HandlerInput<Ops['forgetPassword']>,
): Promise<AnswerOf<Ops['forgetPassword']>> {
  const identifier = readIdentifier(body.identifier);
  const number = identifier.kind === 'phone' ? deps.limitHash('number', identifier.value) : undefined;
  const keys = { name: nameKeyOf(deps, identifier), number };
  const consumed = await limitRecovery(deps, caller, keys, recoveryId);
  await orRefund(consumed, () =>
    startWorkflow(deps, recovery, {
      taskQueue: 'registration',
      workflowId: recoveryWorkflowId(recoveryId),
      staticSummary: 'Recovery of a password',
      args: [{ recoveryId, identifier, ttlSeconds: deps.config.RECOVERY_TTL }],
    }),
  );
  deps.events.recoveryBegun({ recoveryId, identity: identifier.value });
  return { status: 202 };
}

/**
 * Replaces the password, once per token. Every session of the user ends, and the owner is notified. A refused password
 * does not use the token. A token that came by SMS proves only the number: an account with a PIN asks for it, as it does
 * after a code by number. A token does not outlive a change of credentials, contact or state. For `PIN_RESET_WAIT` seconds, codes by the channel of the message cannot reset the PIN.
 *
 * @throws {Failure} malformed, token-invalid, password-weak, registration-locked, rate-limited, unavailable
 */
export async function resetPassword(
  deps: ResetDeps,
  { body: given, caller }: HandlerInput<Ops['resetPassword']>,
): Promise<AnswerOf<Ops['resetPassword']>> {
  const found = await requireRecovery(deps, given.token, 'reset');
  const { recoveryId, userId, channel, epoch = 0 } = found;
  const account = await deps.accounts.read(userId);
  if (account === undefined || account.disabledAt !== undefined) throw new Failure('token-invalid');
  if (epochOf(account) !== epoch) throw new Failure('token-invalid');
  // counted before the password is judged, because that costs more than anything else here
  await limitReset(deps, caller, recoveryId);
  await requireStrongPassword(deps, given.password, wordsOf(account));
  await requirePinOf(deps, found, given.pin, caller);
  if (!(await deps.recoveries.take(recoveryId))) throw new Failure('token-invalid');
  try {
    // before the password changes, because access to the mailbox alone must not reset the PIN as well
    await deps.recoveries.holdPin(userId, channel, deps.config.PIN_RESET_WAIT);
    const change = { userId, kind: 'password', why: 'reset', secret: given.password, changeId: recoveryId } as const;
    await changeCredential(deps, { ...change, epoch });
  } catch (err) {
    await deps.recoveries.refund(recoveryId);
    throw err;
  }
  await deps.recoveries.end(recoveryId);
  return { status: 204 };
}

/** @throws {Failure} registration-locked, rate-limited */
async function requirePinOf(
  deps: CredentialCheckDeps,
  { userId, channel, secondsLeft }: Recovery,
  pin: string | undefined,
  caller: Caller,
): Promise<void> {
  if (!isAskedAfter(deps, channel) || (await deps.accounts.readSecrets(userId))?.pin === undefined) return;
  const until = Date.now() + secondsLeft * 1000;
  if (pin === undefined) throw secretAsked(['pin'], until);
  await requireCredential(deps, { userId, kind: 'pin', secret: pin }, caller).catch((err: unknown) => {
    const isWrong = err instanceof Failure && err.code === 'credentials-wrong';
    throw isWrong ? secretAsked(['pin'], until, 'The PIN is wrong') : err;
  });
}

/** Ends a recovery that the owner did not request. @throws {Failure} malformed, token-invalid */
export async function stopRecovery(
  deps: Pick<ApiDeps, 'recoveries' | 'events'>,
  { body: given }: HandlerInput<Ops['stopRecovery']>,
): Promise<AnswerOf<Ops['stopRecovery']>> {
  const { recoveryId, userId } = await requireRecovery(deps, given.token, 'stop');
  await deps.recoveries.end(recoveryId);
  deps.events.recoveryStopped({ recoveryId, userId });
  return { status: 204 };
}

async function requireRecovery({ recoveries }: Pick<ApiDeps, 'recoveries'>, given: string, use: 'reset' | 'stop') {
  const found = await recoveries.find(given, use);
  if (found === undefined) throw new Failure('token-invalid');
  return found;
}
