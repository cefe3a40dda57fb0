/** A new number or address of a person: the code that goes there, and its proof. */
import type { Account } from '../../adapters/mongo/accounts.ts';
import type { PhoneNumber } from '../../adapters/phone-numbers.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import type { StartedChange, userOperations } from '../../contract/users.ts';
import { contactCodeWorkflowId, type Identifier } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { limitKeysOf } from '../../domain/limits.ts';
import { countryOf, type Identity } from '../../domain/registration.ts';
import { languageFor } from '../../domain/templates/languages.ts';
import type { CodeSubject } from '../../domain/verification.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { limitContactChange, limitSend } from '../limits.ts';
import { requireRightCode, startCode } from '../otp.ts';
import type { HandlerInput } from '../serve.ts';
import { changeIdentity } from './identity.ts';
import { viewOf } from './me.ts';

type Verify = typeof userOperations.verifyContact;

/** A number or an address that nobody has proven yet. */
export interface NewContact extends Identifier {
  kind: 'phone' | 'email';
  /** What is known of a number. */
  number?: PhoneNumber;
}

interface ContactChange {
  changeId: string;
  account: Account;
  contact: NewContact;
  caller: Caller;
}

/**
 * Sends a code to a new number or address. The answer is the same whether somebody else has it; whoever has it is told.
 *
 * @param first what else is changed, before the code is sent; when it is refused, none is
 * @throws {Failure} rate-limited, unavailable, and what `first` throws
 */
export async function beginContactChange(
  deps: ApiDeps,
  { changeId, account: { userId, locale: own }, contact, caller }: ContactChange,
  first: () => Promise<void>,
): Promise<StartedChange> {
  const channel = contact.kind === 'phone' ? 'sms' : 'email';
  const identity = identityOf(contact);
  const limitKeys = limitKeysOf(identity, deps.limitHash);
  const counted = await limitContactChange(deps, caller, deps.limitHash('name', `user ${userId}`), changeId);
  const sent = await limitSend(deps, caller, { limitKeys, channels: [channel] }, changeId).catch(
    async (err: unknown) => {
      await counted.refund();
      throw err;
    },
  );
  const ttlSeconds = deps.rules.codeTtlSeconds;
  const expiresAt = Date.now() + ttlSeconds * 1000;
  const locale = languageFor(own, caller.acceptLanguage);
  const country = countryOf(identity);
  const of = subjectOf(changeId);
  try {
    await first();
    // the code is bound to the change, and the change to the value: whatever is typed later, this is what it proves
    const encrypted = deps.changeCipher.encryptText(JSON.stringify({ kind: contact.kind, value: contact.value }));
    await deps.logins.create(changeId, { userId, channel, limitKeys, expiresAt, encrypted });
    const input = { ...of, channel, to: contact.value, ttlSeconds, until: expiresAt } as const;
    const flow = {
      workflowId: contactCodeWorkflowId(changeId),
      staticSummary: 'Code for a new number or address',
      userId,
    };
    await startCode(deps, flow, { ...input, ...(country && { country }), ...(locale && { locale }) });
  } catch (err) {
    await Promise.all([counted.refund(), sent.refund()]);
    throw err;
  }
  deps.events.codeRequested(of, channel, 1);
  return { changeId, channel, expiresAt: new Date(expiresAt).toISOString() };
}

/**
 * Proves a new number or address: the account has it from then on, and the owner is told at the one before. Safe to repeat
 * with the right code.
 *
 * @throws {Failure} malformed, not-found, code-wrong, code-expired, identity-taken, rate-limited, unavailable
 */
export async function verifyContact(
  deps: ApiDeps,
  { holder: session, params: { changeId }, body: { code }, caller }: HandlerInput<Verify>,
): Promise<AnswerOf<Verify>> {
  if (!/^[0-9a-f]{32}$/.test(changeId)) throw new Failure('not-found');
  // counted before it is compared: parallel guesses never exceed the bound
  const begun = await deps.logins.countTry(changeId);
  if (begun?.encrypted === undefined || begun.userId !== session.userId) throw new Failure('not-found');
  if (begun.expiresAt <= Date.now()) throw new Failure('code-expired');
  await requireRightCode(deps, subjectOf(changeId), begun, code, caller);
  const wanted = JSON.parse(deps.changeCipher.decryptText(begun.encrypted)) as Identifier;
  // a number that came after a recovery proves no more than the recovery did
  await deps.recoveries.spreadPinHold(session.userId, deps.config.PIN_RESET_WAIT);
  await changeIdentity(deps, { changeId, userId: session.userId, wanted });
  return { status: 200, body: await viewOf(deps, session.userId) };
}

function subjectOf(changeId: string): CodeSubject {
  return { subject: changeId, purpose: 'contact-change' };
}

function identityOf({ value, number }: NewContact): Identity {
  if (number === undefined) return { email: value };
  const { callingCode, country } = number;
  return { phone: value, callingCode, ...(country && { country }) };
}
