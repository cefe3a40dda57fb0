/** `PUT /users/me`: what a person changes of their own account. */
import { z } from 'zod';
import type { Account } from '../../adapters/mongo/accounts.ts';
import type { Session } from '../../adapters/redis/sessions.ts';
import { Failure } from '../../domain/failures.ts';
import { isUsername, usernameKey } from '../../domain/registration.ts';
import { languageFor } from '../../domain/templates/languages.ts';
import { newId } from '../../platform/crypto.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { idempotent } from '../guards.ts';
import { emailOf, isLocale, phoneOf } from '../registrations/create.ts';
import { malformed, parse, text, type User } from '../schemas.ts';
import { beginContactChange, type NewContact, type StartedChange } from './contact.ts';
import { changeIdentity } from './identity.ts';
import { readMe } from './me.ts';

/** What is not given stays. */
export const ProfileChange = z.strictObject({
  fullName: text(200).optional(),
  username: text(64).refine(isUsername, 'must be letters, digits and visible ASCII of one script').optional(),
  locale: text(35).refine(isLocale, 'must be a BCP 47 language tag').optional(),
  phone: text(40).optional().describe('With country code; a code goes there before it counts'),
  email: text(320).optional().describe('A code goes there before it counts'),
});

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
  session: Session,
  body: unknown,
  caller: Caller,
): Promise<z.output<typeof User> | z.output<typeof StartedChange>> {
  const given = parse(ProfileChange, body);
  const { userId } = session;
  const scope = ['profile', userId];
  return idempotent(deps, { scope, caller, body: given }, newId(), async (changeId) => {
    const account = await deps.accounts.read(userId);
    if (account === undefined) throw new Failure('not-found');
    const wanted = wantedOf(deps, account, given);
    const { contact } = wanted;
    if (contact === undefined) {
      await changeAtOnce(deps, userId, changeId, wanted);
      return readMe(deps, session);
    }
    return beginContactChange(deps, { changeId, account, contact, caller }, () =>
      changeAtOnce(deps, userId, changeId, wanted),
    );
  });
}

/** Tells which answer it is. */
export function isStartedChange(answer: unknown): boolean {
  return Object.hasOwn(answer as object, 'changeId');
}

function wantedOf(deps: ApiDeps, account: Account, given: z.output<typeof ProfileChange>): Wanted {
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
  given: Pick<z.output<typeof ProfileChange>, 'phone' | 'email'>,
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
