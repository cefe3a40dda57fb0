/** Activities that authenticate users at the directory and look up their entries. */

import type { parseEmailAddress } from '../adapters/email-addresses.ts';
import type { OutageReason, RefusalReason } from '../adapters/ldap/answer.ts';
import type { Directory } from '../adapters/ldap/connect.ts';
import type { PhoneNumber, PhoneRefusal, parsePhoneNumber } from '../adapters/phone-numbers.ts';
import type { OneTimeSecrets } from '../adapters/redis/one-time-secrets.ts';
import type { Limit, RateLimits } from '../adapters/redis/rate-limits.ts';
import type { DirectoryPerson, EntryStatus } from '../domain/directory.ts';
import { Failure } from '../domain/failures.ts';
import { type ContactIdentity, usernameKey } from '../domain/identity.ts';
import { limitKeysOf } from '../domain/limits.ts';
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
  const refusal = answer.outcome === 'refused' ? answer.reason : undefined;
  tellTried(deps, input, refusal);
  if (refusal === 'limited') return { outcome: 'limited', retryAfterSeconds: tries.retryAfterSeconds };
  if (answer.outcome === 'refused') return { outcome: 'refused' };
  await tries.refund();
  return { outcome: 'ok', identity: identityOf(answer.entry, deps) };
}

function tellTried(
  { events }: DirectoryActivityDeps,
  { registrationId, username, passwordRef }: AuthenticateInput,
  reason: RefusalReason | undefined,
): void {
  events.directoryTried({
    ...(registrationId && { registrationId }),
    tryId: passwordRef,
    username: usernameKey(username),
    ...(reason && { reason }),
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
      await rateLimits.isUsedUp(entryTries, key, Date.now());
      return false;
    }
    const tryId = newId();
    const { allowed, resetSeconds } = await rateLimits.consume(entryTries, key, tryId, Date.now());
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

interface Entry {
  id: string;
  username: string;
  fullName?: string;
  email?: string;
  phone?: string;
  groups: string[];
}

function identityOf(entry: Entry, deps: DirectoryActivityDeps): ContactIdentity {
  const found = entry.phone ? deps.parsePhoneNumber(entry.phone, deps.phoneRegion || undefined) : undefined;
  const phoneRefused = found && deps.phoneRefusal(found);
  const number = phoneRefused ? undefined : found;
  const email = entry.email ? deps.parseEmailAddress(entry.email) : undefined;
  const identity: ContactIdentity = {
    directoryId: entry.id,
    username: entry.username,
    groups: entry.groups,
    ...(entry.fullName && { fullName: entry.fullName }),
    ...(email && { email }),
    ...(number && { phone: number.e164, callingCode: number.callingCode }),
    ...(number?.country && { country: number.country }),
    ...(phoneRefused && { phoneRefused }),
  };
  return { ...identity, limitKeys: limitKeysOf(identity, deps.limitHash) };
}
