/** A new number or address of a user: the code that is sent there, and its verification. */
import type { PhoneNumber } from '../../adapters/phone-numbers.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import type { StartedChange, userOperations } from '../../contract/users.ts';
import { type Account, epochOf, type Identifier } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { type ContactIdentity, countryOf } from '../../domain/identity.ts';
import { limitKeysOf } from '../../domain/limits.ts';
import { languageFor } from '../../domain/templates/languages.ts';
import type { CodeSubject } from '../../domain/verification.ts';
import { contactCodeWorkflowId } from '../../domain/workflow-ids.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { changeIdentity } from '../identity-change.ts';
import { limitSend, type SendLimitDeps } from '../limits/codes.ts';
import { accountKeyOf, andConsume, orRefund } from '../limits/counting.ts';
import { limitContactChange } from '../limits/persons.ts';
import { type OtpCheckDeps, type OtpSendDeps, requireRightCode, startOtp } from '../otp.ts';
import type { HandlerInput } from '../serve.ts';
import { viewOf } from './me.ts';

type Verify = typeof userOperations.verifyContact;
type VerifyDeps = OtpCheckDeps &
  Pick<ApiDeps, 'logins' | 'rules' | 'changeCipher' | 'recoveries' | 'config' | 'temporal' | 'accounts'>;

/** The dependencies of beginning a change of contact. */
export type ContactChangeDeps = OtpSendDeps & SendLimitDeps & Pick<ApiDeps, 'changeCipher'>;

/** A number or an address that has not been verified yet. */
export interface NewContact extends Identifier {
  kind: 'phone' | 'email';
  /** The parsed form of a number. */
  number?: PhoneNumber;
}

interface ContactChange {
  changeId: string;
  account: Account;
  contact: NewContact;
  caller: Caller;
}

/**
 * Sends a code to a new number or address. The answer is the same when another account has it; that owner is notified.
 *
 * @param first another change, which is made before the code is sent; when it fails, no code is sent
 * @throws {Failure} rate-limited, unavailable, and what `first` throws
 */
export async function beginContactChange(
  deps: ContactChangeDeps,
  { changeId, account, contact, caller }: ContactChange,
  first: () => Promise<void>,
): Promise<StartedChange> {
  const { userId, locale } = account;
  const channel = contact.kind === 'phone' ? 'sms' : 'email';
  const identity = identityOf(contact);
  const limitKeys = limitKeysOf(identity, deps.limitHash);
  const consumed = await andConsume(await limitContactChange(deps, caller, accountKeyOf(deps, userId), changeId), () =>
    limitSend(deps, caller, { limitKeys, channels: [channel] }, changeId),
  );
  await orRefund(consumed, first);
  const of = subjectOf(changeId);
  const expiresAt = await startOtp(deps, consumed, {
    of,
    destination: {
      userId,
      channel,
      limitKeys,
      to: contact.value,
      country: countryOf(identity),
      epoch: epochOf(account),
    },
    locale: languageFor(locale, caller.acceptLanguage),
    // the code is bound to the change, and the change to this value: nothing that is sent later can replace it
    encrypted: deps.changeCipher.encryptText(JSON.stringify({ kind: contact.kind, value: contact.value })),
    workflowId: contactCodeWorkflowId(changeId),
    staticSummary: 'Code for a new number or address',
  });
  deps.events.codeRequested({ ...of, channel, send: 1, identity: contact.value, country: countryOf(identity) });
  return { changeId, channel, expiresAt: new Date(expiresAt).toISOString() };
}

/**
 * Verifies a new number or address, which the account then has; the owner is notified at the previous one. Safe to
 * repeat with the correct code.
 *
 * @throws {Failure} malformed, not-found, code-wrong, code-expired, identity-taken, rate-limited, unavailable
 */
export async function verifyContact(
  deps: VerifyDeps,
  { holder: session, params: { changeId }, body: { code }, caller }: HandlerInput<Verify>,
): Promise<AnswerOf<Verify>> {
  if (!/^[0-9a-f]{32}$/.test(changeId)) throw new Failure('not-found');
  // counted before the comparison, so that parallel guesses never exceed the limit
  const of = subjectOf(changeId);
  const begun = await deps.logins.countTry(changeId, { ...of, userId: session.userId });
  if (begun?.encrypted === undefined) throw new Failure('not-found');
  if (begun.isExpired) throw new Failure('code-expired');
  await requireRightCode(deps, of, begun, code, caller);
  const wanted = JSON.parse(deps.changeCipher.decryptText(begun.encrypted)) as Identifier;
  // a number that is added after a recovery proves no more than the recovery did
  await deps.recoveries.spreadPinHold(session.userId, deps.config.PIN_RESET_WAIT);
  // the write checks the epoch: a repeat finds its own value there, and gets the same answer
  await changeIdentity(deps, { changeId, userId: session.userId, wanted, epoch: begun.epoch ?? 0 });
  return { status: 200, body: await viewOf(deps, session.userId) };
}

function subjectOf(changeId: string): CodeSubject {
  return { subject: changeId, purpose: 'contact-change' };
}

function identityOf({ value, number }: NewContact): ContactIdentity {
  if (number === undefined) return { email: value };
  const { callingCode, country } = number;
  return { phone: value, callingCode, ...(country && { country }) };
}
