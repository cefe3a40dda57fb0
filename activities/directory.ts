/** Activities that authenticate users at the directory and look up their entries. */

import type { parseEmailAddress } from '../adapters/email-addresses.ts';
import type { DirectoryEntry, EntryStatus } from '../adapters/ldap/answer.ts';
import type { Directory } from '../adapters/ldap/connect.ts';
import type { PhoneNumber, PhoneRefusal, parsePhoneNumber } from '../adapters/phone-numbers.ts';
import type { OneTimeSecrets } from '../adapters/redis/one-time-secrets.ts';
import { Failure } from '../domain/failures.ts';
import { type ContactIdentity, usernameKey } from '../domain/identity.ts';
import { limitKeysOf } from '../domain/limits.ts';
import { cleanName, isPersonName } from '../domain/person-names.ts';
import { cleanDirectoryName } from '../domain/usernames.ts';
import type { Events } from '../platform/events/events.ts';

/** The input of `authenticate`. */
export interface AuthenticateInput {
  /** Absent at a log-in. */
  registrationId?: string | undefined;
  username: string;
  /** Reference to the one-time secret that holds the password. */
  passwordRef: string;
}

/** The result of a bind. `lost`: the one-time secret has expired (two minutes) and the password must be typed again. */
export type AuthenticateResult =
  | { outcome: 'ok'; identity: ContactIdentity }
  | { outcome: 'refused' }
  | { outcome: 'lost' };

/** Dependencies of the directory activities. */
export interface DirectoryActivityDeps {
  directory: Pick<Directory, 'authenticate' | 'entryStatusOf'>;
  oneTimeSecrets: Pick<OneTimeSecrets, 'read'>;
  events: Pick<Events, 'directoryTried' | 'dependencyAway'>;
  parsePhoneNumber: typeof parsePhoneNumber;
  parseEmailAddress: typeof parseEmailAddress;
  /** Returns why a number may not receive codes; undefined when it may. */
  phoneRefusal: (number: PhoneNumber) => PhoneRefusal | undefined;
  /** Keyed hash for limit keys. */
  limitHash: (kind: string, text: string) => string;
  /** Default country of numbers without a country code. */
  phoneRegion: string;
}

/** The activities of the directory role. */
export type DirectoryActivities = ReturnType<typeof createDirectoryActivities>;

/** Creates the activities of the directory role. */
export function createDirectoryActivities(deps: DirectoryActivityDeps) {
  return {
    /**
     * Binds as the user and reads the entry. Safe to retry: a right password changes nothing, a wrong one counts at
     * most once more towards the directory's own lockout. Reading does not delete the one-time secret.
     *
     * @throws {Failure} directory-unavailable
     */
    async authenticate({ registrationId, username, passwordRef }: AuthenticateInput): Promise<AuthenticateResult> {
      const password = await deps.oneTimeSecrets.read(passwordRef);
      if (typeof password !== 'string') return { outcome: 'lost' };
      const answer = await deps.directory.authenticate(username, password);
      if (answer.outcome === 'unavailable') {
        deps.events.dependencyAway('directory', answer.reason);
        throw new Failure('directory-unavailable', { reason: answer.reason });
      }
      const attempt = {
        tryId: passwordRef,
        username: usernameKey(username),
        ...(registrationId && { registrationId }),
      };
      if (answer.outcome === 'refused') {
        deps.events.directoryTried({ ...attempt, reason: answer.reason });
        return { outcome: 'refused' };
      }
      const { identity, leftOut } = identityOf(answer.entry, deps);
      // a log-in uses none of these values
      deps.events.directoryTried({ ...attempt, ...(registrationId && { leftOut }) });
      return { outcome: 'ok', identity };
    },

    /**
     * Returns the entry status of each user name, in the order given. Read-only.
     *
     * @throws {Failure} directory-unavailable
     */
    async readEntryStatuses({ usernames }: { usernames: string[] }): Promise<EntryStatus[]> {
      const entryStatuses: EntryStatus[] = [];
      for (const username of usernames) entryStatuses.push(await entryStatusOf(deps, username));
      return entryStatuses;
    },
  };
}

async function entryStatusOf({ directory, events }: DirectoryActivityDeps, username: string): Promise<EntryStatus> {
  const answer = await directory.entryStatusOf(username);
  if (answer.entryStatus !== 'unavailable') return answer;
  events.dependencyAway('directory', answer.reason);
  throw new Failure('directory-unavailable', { reason: answer.reason });
}

type Entry = Pick<DirectoryEntry, 'id' | 'username' | 'fullNames' | 'emails' | 'phones' | 'groups'>;

/** Longest value that is stored: as many characters as a user name of a log-in, or a DN, may have. */
const usernameMax = 256;
const groupMax = 1000;

/**
 * Returns the identity of an entry: of each attribute the first value that passes the check of the api, because values
 * have no order; and why attributes have no such value.
 */
function identityOf(entry: Entry, deps: DirectoryActivityDeps): { identity: ContactIdentity; leftOut: string[] } {
  const { number, phoneRefused } = numberOf(entry.phones, deps);
  const email = firstOf(entry.emails, deps.parseEmailAddress);
  const emailRefused = email === undefined && entry.emails.length > 0 ? 'address-not-valid' : undefined;
  const { names, leftOut } = namesOf(entry);
  const identity: ContactIdentity = {
    directoryId: entry.id,
    ...names,
    ...(email && { email }),
    ...(number && { phone: number.e164, callingCode: number.callingCode }),
    ...(number?.country && { country: number.country }),
    ...(phoneRefused && { phoneRefused }),
    ...(emailRefused && { emailRefused }),
  };
  const isUnreachable = number === undefined && email === undefined;
  const reasons = [phoneRefused, emailRefused, isUnreachable ? 'no-number-or-address' : undefined];
  return {
    identity: { ...identity, limitKeys: limitKeysOf(identity, deps.limitHash) },
    leftOut: [...leftOut, ...reasons.flatMap((reason) => reason ?? [])],
  };
}

/** The user name stays in the spelling of the directory, because binds and the directory sync search by it. */
function namesOf({ username: given, fullNames, groups: all }: Entry) {
  const username = cleanDirectoryName(given);
  const fullName = fullNames.map(cleanName).find(isPersonName);
  const shown = fullName ?? (isPersonName(username) ? username : undefined);
  const groups = all.filter((group) => isPlain(group, groupMax));
  const hasUsername = username !== '' && isPlain(username, usernameMax);
  const leftOut = [
    ...(hasUsername ? [] : ['username-not-valid']),
    ...(fullName === undefined && fullNames.length > 0 ? ['name-not-valid'] : []),
    ...(groups.length < all.length ? ['group-not-valid'] : []),
  ];
  return { names: { ...(hasUsername && { username }), ...(shown && { fullName: shown }), groups }, leftOut };
}

function isPlain(text: string, lengthMax: number): boolean {
  return text.length <= lengthMax && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(text);
}

/** Returns the first number that may receive codes, or why none may. */
function numberOf(
  phones: readonly string[],
  { parsePhoneNumber, phoneRegion, phoneRefusal }: DirectoryActivityDeps,
): { number?: PhoneNumber; phoneRefused?: string } {
  if (phones.length === 0) return {};
  const numbers = phones.flatMap((text) => parsePhoneNumber(text, phoneRegion || undefined) ?? []);
  const number = numbers.find((one) => phoneRefusal(one) === undefined);
  if (number !== undefined) return { number };
  return { phoneRefused: firstOf(numbers, phoneRefusal) ?? 'number-not-valid' };
}

function firstOf<T, R>(values: readonly T[], read: (value: T) => R | undefined): R | undefined {
  for (const value of values) {
    const found = read(value);
    if (found !== undefined) return found;
  }
  return undefined;
}
