/** Activities that authenticate users at the directory and look up their entries. */

import type { parseEmailAddress } from '../adapters/email-addresses.ts';
import type { EntryStatus } from '../adapters/ldap/answer.ts';
import type { Directory } from '../adapters/ldap/connect.ts';
import type { PhoneNumber, PhoneRefusal, parsePhoneNumber } from '../adapters/phone-numbers.ts';
import type { OneTimeSecrets } from '../adapters/redis/one-time-secrets.ts';
import { Failure } from '../domain/failures.ts';
import { type ContactIdentity, usernameKey } from '../domain/identity.ts';
import { limitKeysOf } from '../domain/limits.ts';
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
      deps.events.directoryTried(attempt);
      return { outcome: 'ok', identity: identityOf(answer.entry, deps) };
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
