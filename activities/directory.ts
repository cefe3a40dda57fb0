/** The directory's verdict on a person: one bind. */

import type { parseEmailAddress } from '../adapters/email-addresses.ts';
import type { EntryStatus } from '../adapters/ldap/answer.ts';
import type { Directory } from '../adapters/ldap/connect.ts';
import type { PhoneNumber, PhoneRefusal, parsePhoneNumber } from '../adapters/phone-numbers.ts';
import type { OneTimeSecrets } from '../adapters/redis/one-time-secrets.ts';
import { Failure } from '../domain/failures.ts';
import { limitKeysOf } from '../domain/limits.ts';
import { type Identity, usernameKey } from '../domain/registration.ts';
import type { Events } from '../platform/events.ts';

export interface AuthenticateInput {
  /** None at a log-in. */
  registrationId?: string | undefined;
  username: string;
  /** Reference of the sealed password. */
  passwordRef: string;
}

/** `lost`: the sealed password outlived its two minutes; the person has to type it again. */
export type AuthenticateResult = { outcome: 'ok'; identity: Identity } | { outcome: 'refused' } | { outcome: 'lost' };

export interface DirectoryActivityDeps {
  directory: Pick<Directory, 'authenticate' | 'entryStatusOf'>;
  oneTimeSecrets: Pick<OneTimeSecrets, 'read'>;
  events: Pick<Events, 'directoryTried' | 'dependencyAway'>;
  parsePhoneNumber: typeof parsePhoneNumber;
  parseEmailAddress: typeof parseEmailAddress;
  /** Why a number gets no codes, if it gets none. */
  phoneRefusal: (number: PhoneNumber) => PhoneRefusal | undefined;
  /** Keyed, for what limits count under. */
  limitHash: (kind: string, text: string) => string;
  /** Country of numbers without a country code. */
  phoneRegion: string;
}

export type DirectoryActivities = ReturnType<typeof createDirectoryActivities>;

/** Creates the activities of the directory role. */
export function createDirectoryActivities(deps: DirectoryActivityDeps) {
  return {
    /**
     * Binds as a person and reads the entry. Safe to repeat: a right password changes nothing, a wrong one counts once
     * more towards the directory's own lock-out at worst; the seal stays.
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
     * How names stand in the directory now, in their order. Safe to repeat: it reads.
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

function identityOf(entry: Entry, deps: DirectoryActivityDeps): Identity {
  const found = entry.phone ? deps.parsePhoneNumber(entry.phone, deps.phoneRegion || undefined) : undefined;
  const phoneRefused = found && deps.phoneRefusal(found);
  const number = phoneRefused ? undefined : found;
  const email = entry.email ? deps.parseEmailAddress(entry.email) : undefined;
  const identity: Identity = {
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
