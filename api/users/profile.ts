/** `PUT /users/me`: changes of the account of the calling user. */

import type { AnswerOf } from '../../contract/operation.ts';
import type { ProfileChange, userOperations } from '../../contract/users.ts';
import type { Account } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { languageFor } from '../../domain/templates/languages.ts';
import { emailOf, phoneOf, usernameOf } from '../addresses.ts';
import type { ApiDeps } from '../deps.ts';
import { changeIdentity } from '../identity-change.ts';
import { malformed } from '../parse.ts';
import type { HandlerInput } from '../serve.ts';
import { beginContactChange, type ContactChangeDeps, type NewContact } from './contact.ts';
import { viewOf } from './me.ts';

type Op = typeof userOperations.changeProfile;
type DirectChangeDeps = Pick<ApiDeps, 'accounts' | 'events' | 'temporal'>;

/** The differences from the stored account. */
interface Wanted {
  username?: string;
  profile: Pick<Account, 'fullName' | 'locale'>;
  contact?: NewContact;
}

/**
 * Changes the account: name, user name and language at once, a number or an address after the code that is sent there
 * was verified. A refusal changes nothing. Only after that verification it is shown whether another account has the
 * number or address.
 *
 * @throws {Failure} malformed, not-found, identity-taken, step-not-available, rate-limited, idempotency-key-reused,
 *   unavailable
 */
export async function changeProfile(
  deps: DirectChangeDeps & ContactChangeDeps,
  { holder: { userId }, body: given, caller, minted: { id: changeId } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const account = await deps.accounts.read(userId);
  if (account === undefined) throw new Failure('not-found');
  const wanted = wantedOf(deps, account, given);
  const { contact } = wanted;
  const rest = () => changeDirectly(deps, userId, changeId, wanted);
  if (contact === undefined) {
    await rest();
    return { status: 200, body: await viewOf(deps, userId) };
  }
  return { status: 202, body: await beginContactChange(deps, { changeId, account, contact, caller }, rest) };
}

function wantedOf(deps: Pick<ApiDeps, 'config'>, account: Account, given: ProfileChange): Wanted {
  const locale = given.locale === undefined ? undefined : languageFor(given.locale);
  if (given.locale !== undefined && locale === undefined)
    throw malformed('locale', 'is not a language of the messages');
  const contact = newContactOf(deps, account, given);
  const username = given.username && usernameOf(given.username);
  const profile = { ...(given.fullName && { fullName: given.fullName }), ...(locale && { locale }) };
  const isNew = ([name, value]: [string, string]) => account[name as keyof typeof profile] !== value;
  return {
    profile: Object.fromEntries(Object.entries(profile).filter(isNew)),
    ...(username && username !== account.username && { username }),
    ...(contact && { contact }),
  };
}

function newContactOf(
  { config }: Pick<ApiDeps, 'config'>,
  account: Account,
  given: Pick<ProfileChange, 'phone' | 'email'>,
): NewContact | undefined {
  const number = given.phone === undefined ? undefined : phoneOf(given.phone, config.COUNTRIES_ALLOWED);
  const email = given.email === undefined ? undefined : emailOf(given.email);
  const contacts: NewContact[] = [
    ...(number ? [{ kind: 'phone' as const, value: number.e164, number }] : []),
    ...(email ? [{ kind: 'email' as const, value: email }] : []),
  ].filter(({ kind, value }) => account[kind] !== value);
  if (contacts.length > 1) throw malformed('email', 'cannot be changed together with the number');
  return contacts[0];
}

async function changeDirectly(
  deps: DirectChangeDeps,
  userId: string,
  changeId: string,
  { username, profile }: Wanted,
): Promise<void> {
  if (username !== undefined) {
    if (await deps.accounts.hasDirectoryEntry(userId)) {
      throw new Failure('step-not-available', { message: 'The user name is managed by the directory' });
    }
    await changeIdentity(deps, { changeId, userId, wanted: { kind: 'username', value: username } });
  }
  const fields = Object.keys(profile);
  if (fields.length === 0) return;
  await deps.accounts.setProfile(userId, profile);
  deps.events.profileChanged({ userId, fields });
}
