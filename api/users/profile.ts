/** `PUT /users/me`: what a person changes of their own account. */
import type { Account } from '../../adapters/mongo/accounts.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import type { ProfileChange, userOperations } from '../../contract/users.ts';
import { Failure } from '../../domain/failures.ts';
import { usernameKey } from '../../domain/registration.ts';
import { languageFor } from '../../domain/templates/languages.ts';
import { emailOf, phoneOf } from '../addresses.ts';
import type { ApiDeps } from '../deps.ts';
import { malformed } from '../parse.ts';
import type { HandlerInput } from '../serve.ts';
import { beginContactChange, type NewContact } from './contact.ts';
import { changeIdentity } from './identity.ts';
import { viewOf } from './me.ts';

type Op = typeof userOperations.changeProfile;

/** What differs from the account as it is. */
interface Wanted {
  username?: string;
  profile: Pick<Account, 'fullName' | 'locale'>;
  contact?: NewContact;
}

/**
 * Changes the own account: name, user name and language at once, a number or an address when the code was proven that
 * goes there. A refusal changes nothing. Whether a number or address is free is told to who has proven it.
 *
 * @throws {Failure} malformed, not-found, identity-taken, step-not-available, rate-limited, idempotency-key-reused, unavailable
 */
export async function changeProfile(
  deps: ApiDeps,
  { holder: { userId }, body: given, caller, minted: { id: changeId } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const account = await deps.accounts.read(userId);
  if (account === undefined) throw new Failure('not-found');
  const wanted = wantedOf(deps, account, given);
  const { contact } = wanted;
  const rest = () => changeAtOnce(deps, userId, changeId, wanted);
  if (contact === undefined) {
    await rest();
    return { status: 200, body: await viewOf(deps, userId) };
  }
  return { status: 202, body: await beginContactChange(deps, { changeId, account, contact, caller }, rest) };
}

function wantedOf(deps: ApiDeps, account: Account, given: ProfileChange): Wanted {
  const locale = given.locale === undefined ? undefined : languageFor(given.locale);
  if (given.locale !== undefined && locale === undefined) throw malformed('locale', 'there are no messages in it');
  const contact = newContactOf(deps, account, given);
  const username = given.username && usernameKey(given.username);
  const profile = { ...(given.fullName && { fullName: given.fullName }), ...(locale && { locale }) };
  const isNew = ([name, value]: [string, string]) => account[name as keyof typeof profile] !== value;
  return {
    profile: Object.fromEntries(Object.entries(profile).filter(isNew)),
    ...(username && username !== account.username && { username }),
    ...(contact && { contact }),
  };
}

function newContactOf(
  { config }: ApiDeps,
  account: Account,
  given: Pick<ProfileChange, 'phone' | 'email'>,
): NewContact | undefined {
  const number = given.phone === undefined ? undefined : phoneOf(given.phone, config.COUNTRIES_ALLOWED);
  const email = given.email === undefined ? undefined : emailOf(given.email);
  const contacts: NewContact[] = [
    ...(number ? [{ kind: 'phone' as const, value: number.e164, number }] : []),
    ...(email ? [{ kind: 'email' as const, value: email }] : []),
  ].filter(({ kind, value }) => account[kind] !== value);
  if (contacts.length > 1) throw malformed('email', 'number and address are changed one after the other');
  return contacts[0];
}

async function changeAtOnce(
  deps: ApiDeps,
  userId: string,
  changeId: string,
  { username, profile }: Wanted,
): Promise<void> {
  if (username !== undefined) {
    if (await deps.accounts.isLinked(userId)) {
      throw new Failure('step-not-available', { message: 'The user name is that of the directory' });
    }
    await changeIdentity(deps, { changeId, userId, wanted: { kind: 'username', value: username } });
  }
  const fields = Object.keys(profile);
  if (fields.length === 0) return;
  await deps.accounts.setProfile(userId, profile);
  deps.events.profileChanged({ userId, fields });
}
