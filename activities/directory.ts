/** Activities that authenticate users at the directory and look up their entries. */

import type { parseEmailAddress } from '../adapters/email-addresses.ts';
import type { DirectoryEntry, OutageReason, RefusalReason } from '../adapters/ldap/answer.ts';
import type { Directory } from '../adapters/ldap/connect.ts';
import type { PhoneNumber, PhoneRefusal, parsePhoneNumber } from '../adapters/phone-numbers.ts';
import type { OneTimeSecrets } from '../adapters/redis/one-time-secrets.ts';
import type { Limit, RateLimits } from '../adapters/redis/rate-limits.ts';
import type { DirectoryPerson, EntryStatus } from '../domain/directory.ts';
import { Failure } from '../domain/failures.ts';
import { type ContactIdentity, pseudonymsOf, usernameKey } from '../domain/identity.ts';
import { limitKeysOf } from '../domain/limits.ts';
import { cleanName, isPersonName } from '../domain/person-names.ts';
import { cleanDirectoryName } from '../domain/usernames.ts';
import type { Events } from '../platform/events/events.ts';

/** The input of `authenticate`. */
export interface AuthenticateInput {
  /** Absent at a log-in. */
  registrationId?: string | undefined;
  username: string;
  /** Immutable id of the entry, by which a linked person is found. */
  directoryId?: string | undefined;
  /** The tries of the user name are used up: the same requests are made, and the password is not tried. */
  isSpent?: boolean | undefined;
  /** Reference to the one-time secret that holds the password. */
  passwordRef: string;
}

/**
 * The result of a bind. `lost`: the one-time secret has expired (two minutes) and the password must be typed again.
 * `limited`: the tries of the entry are used up, and the password was not tried.
 */
export type AuthenticateResult =
  | { outcome: 'ok'; identity: ContactIdentity }
  | { outcome: 'refused' }
  | { outcome: 'limited'; retryAfterSeconds: number }
  | { outcome: 'lost' };

/** The input of `readEntryStatuses`. */
export interface EntryStatusesInput {
  people?: DirectoryPerson[];
  /** In histories of an earlier version. */
  usernames?: string[];
}

/** Dependencies of the directory activities. */
export interface DirectoryActivityDeps {
  directory: Pick<Directory, 'authenticate' | 'entryStatusOf'>;
  oneTimeSecrets: Pick<OneTimeSecrets, 'read'>;
  events: Pick<Events, 'directoryTried' | 'dependencyAway'>;
  parsePhoneNumber: typeof parsePhoneNumber;
  parseEmailAddress: typeof parseEmailAddress;
  /** Returns why a number may not receive codes; undefined when it may. */
  phoneRefusal: (number: PhoneNumber) => PhoneRefusal | undefined;
  rateLimits: Pick<RateLimits, 'consume' | 'refund' | 'isUsedUp'>;
  /** The limit of wrong passwords of one entry. */
  entryTries: Limit;
  newId: () => string;
  /** Keyed hash for limit keys. */
  limitHash: (kind: string, text: string) => string;
  /** Returns the pseudonym of a name in the audit log. */
  pseudonym: (name: string) => string;
  /** Default country of numbers without a country code. */
  phoneRegion: string;
}

/** The activities of the directory role. */
export type DirectoryActivities = ReturnType<typeof createDirectoryActivities>;

/** Creates the activities of the directory role. */
export function createDirectoryActivities(deps: DirectoryActivityDeps) {
  return {
    /**
     * Binds as the user and reads the entry. Each bind is counted by the entry that was found before it is sent, so
     * that no spelling, second name or repeat exceeds the tries of a person. Safe to retry: a right password changes
     * nothing, a wrong one is counted here as often as the directory counts it. Reading does not delete the one-time
     * secret.
     *
     * @throws {Failure} directory-unavailable
     */
    async authenticate(input: AuthenticateInput): Promise<AuthenticateResult> {
      const password = await deps.oneTimeSecrets.read(input.passwordRef);
      return typeof password === 'string' ? authenticate(deps, input, password) : { outcome: 'lost' };
    },

    /**
     * Returns the entry status of each person, in the order given. Numbers are in E.164. Read-only.
     *
     * @throws {Failure} directory-unavailable
     */
    async readEntryStatuses({ people, usernames = [] }: EntryStatusesInput): Promise<EntryStatus[]> {
      const entryStatuses: EntryStatus[] = [];
      for (const person of people ?? usernames.map((username) => ({ username }))) {
        entryStatuses.push(await entryStatusOf(deps, person));
      }
      return entryStatuses;
    },
  };
}

async function authenticate(
  deps: DirectoryActivityDeps,
  input: AuthenticateInput,
  password: string,
): Promise<AuthenticateResult> {
  const tries = new EntryTries(deps, input.isSpent === true);
  const answer = await deps.directory.authenticate(input.username, password, {
    directoryId: input.directoryId,
    admit: (id) => tries.admit(id),
  });
  if (answer.outcome === 'unavailable') {
    if (!mayHaveBound.has(answer.reason)) await tries.refund();
    throw outageOf(deps, answer.reason);
  }
  if (answer.outcome === 'refused') {
    tellTried(deps, input, { reason: answer.reason });
    if (answer.reason !== 'limited') return { outcome: 'refused' };
    return { outcome: 'limited', retryAfterSeconds: tries.retryAfterSeconds };
  }
  await tries.refund();
  const { identity, leftOut } = identityOf(answer.entry, deps);
  // a log-in uses none of these values
  tellTried(deps, input, input.registrationId === undefined ? {} : { leftOut });
  return { outcome: 'ok', identity };
}

function tellTried(
  { events }: DirectoryActivityDeps,
  { registrationId, username, passwordRef }: AuthenticateInput,
  result: { reason?: RefusalReason; leftOut?: string[] },
): void {
  events.directoryTried({
    ...(registrationId && { registrationId }),
    tryId: passwordRef,
    username: usernameKey(username),
    ...result,
  });
}

/** Reports an outage and returns its failure. */
function outageOf({ events }: DirectoryActivityDeps, reason: OutageReason): Failure {
  events.dependencyAway('directory', reason);
  return new Failure('directory-unavailable', { reason });
}

/** Outages after which the directory may have received the password. */
const mayHaveBound: ReadonlySet<string> = new Set(['timeout', 'connection-lost']);

/** Counts the bind of one attempt by the entry that was found. */
class EntryTries {
  /** Seconds until the next bind of the entry is possible; known after `admit` has refused. */
  retryAfterSeconds = 1;
  readonly #deps: DirectoryActivityDeps;
  readonly #isSpent: boolean;
  #counted: { key: string; tryId: string } | undefined;

  constructor(deps: DirectoryActivityDeps, isSpent: boolean) {
    this.#deps = deps;
    this.#isSpent = isSpent;
  }

  /** Counts a bind and returns whether it may be sent. Without an entry, it reads as much and counts nothing. */
  async admit(id: string | undefined): Promise<boolean> {
    const { rateLimits, entryTries, limitHash, newId } = this.#deps;
    const key = limitHash('directory', id ?? '');
    if (id === undefined || this.#isSpent) {
      await rateLimits.isUsedUp(entryTries, key);
      return false;
    }
    const tryId = newId();
    const { allowed, resetSeconds } = await rateLimits.consume(entryTries, key, tryId);
    if (allowed) this.#counted = { key, tryId };
    else this.retryAfterSeconds = resetSeconds;
    return allowed;
  }

  /** Refunds what was counted: the password was right, or was not sent. */
  async refund(): Promise<void> {
    const { rateLimits, entryTries } = this.#deps;
    if (this.#counted !== undefined) await rateLimits.refund(entryTries, this.#counted.key, this.#counted.tryId);
    this.#counted = undefined;
  }
}

async function entryStatusOf(deps: DirectoryActivityDeps, person: DirectoryPerson): Promise<EntryStatus> {
  const answer = await deps.directory.entryStatusOf(person);
  if (answer.entryStatus === 'unavailable') {
    throw outageOf(deps, answer.reason);
  }
  if (answer.entryStatus === 'missing' || answer.entryStatus === 'ambiguous') return answer;
  const phones = answer.phones.flatMap(
    (phone) => deps.parsePhoneNumber(phone, deps.phoneRegion || undefined)?.e164 ?? [],
  );
  const emails = answer.emails.flatMap((email) => deps.parseEmailAddress(email) ?? []);
  return { ...answer, phones, emails };
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
    identity: {
      ...identity,
      limitKeys: limitKeysOf(identity, deps.limitHash),
      pseudonyms: pseudonymsOf(identity, deps.pseudonym),
    },
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
