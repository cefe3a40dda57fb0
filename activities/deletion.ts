/** Activities that plan, stop and carry out the deletion of an account. */
import type { PersonTraces } from '../adapters/elastic/erasure.ts';
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Archive } from '../adapters/mongo/archive.ts';
import type { Conversations } from '../adapters/mongo/conversations.ts';
import type { Deletions } from '../adapters/mongo/deletions.ts';
import type { Devices } from '../adapters/mongo/devices.ts';
import type { PreKeys } from '../adapters/mongo/prekeys.ts';
import type { ErasedPerson } from '../adapters/redis/erasure.ts';
import type { SessionEnds } from '../adapters/redis/sessions.ts';
import type { KnownWorkflows } from '../adapters/temporal/person-workflows.ts';
import type { PlannedDeletion } from '../domain/deletion.ts';
import { Failure } from '../domain/failures.ts';
import { emailKey, namesOf } from '../domain/identity.ts';
import type { ErasedIdentity } from '../platform/audit.ts';
import type { Events } from '../platform/events/events.ts';

/** The input of the activities that run before the deletion is due. */
export interface DeletionInput {
  deletionId: string;
  userId: string;
  /** Milliseconds since the Unix epoch. */
  requestedAt: number;
  /** When the deletion is due, in milliseconds since the Unix epoch. */
  effectiveAt: number;
  /** The requesting session, which stays open. */
  sessionId: string;
}

/** The input of the erasure activities. It contains no user id. */
export interface ErasureInput {
  deletionId: string;
}

/** Dependencies of the deletion activities. */
export interface DeletionActivityDeps {
  accounts: Pick<Accounts, 'read' | 'planDeletion' | 'stopDeletion'>;
  deletions: Pick<Deletions, 'insert' | 'stop' | 'begin'>;
  sessions: Pick<SessionEnds, 'endAll'>;
  events: Pick<Events, 'deletionChanged'>;
  newId: () => string;
}

/** The activities of the registration role for a deletion that is not due. */
export type DeletionActivities = ReturnType<typeof createDeletionActivities>;

/** Creates the activities of the registration role for a deletion that is not due. Temporal retries outages. */
export function createDeletionActivities({ accounts, deletions, sessions, events, newId }: DeletionActivityDeps) {
  return {
    /**
     * Marks the account and creates the receipt. Returns the planned deletion, which may be an earlier one; null
     * without an account. Idempotent by `deletionId`.
     */
    async planDeletion(input: DeletionInput): Promise<PlannedDeletion | null> {
      const { deletionId, userId, requestedAt, effectiveAt } = input;
      await accounts.planDeletion(userId, deletionId, new Date(effectiveAt));
      const { deletionId: planned, deletionAt } = (await accounts.read(userId)) ?? {};
      if (planned === undefined || deletionAt === undefined) return null;
      if (planned !== deletionId) return { deletionId: planned, effectiveAt: deletionAt.getTime() };
      await deletions.insert({
        deletionId,
        userId,
        alias: `erased-${newId()}`,
        requestedAt: new Date(requestedAt),
        effectiveAt: new Date(effectiveAt),
      });
      return { deletionId, effectiveAt };
    },

    /** Ends the user's sessions except the requesting one. Returns how many ended. Idempotent: it deletes. */
    endOtherDevices: ({ userId, sessionId }: DeletionInput): Promise<number> =>
      sessions.endAll(userId, { exceptId: sessionId }),

    /** Reverts `planDeletion` and marks the receipt as stopped. Idempotent. */
    async stopDeletion({ deletionId, userId }: DeletionInput): Promise<void> {
      await accounts.stopDeletion(userId, deletionId);
      await deletions.stop(deletionId, new Date());
    },

    /** Records the start of the erasure in the receipt: from then on the deletion cannot be stopped. Idempotent. */
    beginErasure: ({ deletionId }: ErasureInput): Promise<void> => deletions.begin(deletionId, new Date()),

    /** Emits the event. Idempotent by `deletionId`. */
    async tellDeletion({ deletionId, userId }: DeletionInput, state: 'planned' | 'stopped'): Promise<void> {
      events.deletionChanged({ deletionId, userId, state });
    },
  };
}

/** Access to the audit log for an erasure. */
export interface AuditLog {
  /** Resolves when every event emitted so far is indexed and can be rewritten. */
  shipped(): Promise<void>;
  /** Replaces the user by the alias in all audit events. Returns how many were rewritten. */
  rewrite(person: PersonTraces, identity: ErasedIdentity): Promise<number>;
  /** Returns the pseudonyms that audit events use for a name, number or address, and for a blocked user: one for each key. */
  pseudonymsOf(identity: string): string[];
}

/** Dependencies of the erasure activities. */
export interface ErasureActivityDeps {
  accounts: Pick<Accounts, 'read' | 'erase'>;
  devices: Pick<Devices, 'erase'>;
  archive: Pick<Archive, 'erase'>;
  conversations: Pick<Conversations, 'erase'>;
  preKeys: Pick<PreKeys, 'eraseOf'>;
  deletions: Pick<Deletions, 'read' | 'count' | 'finish'>;
  /** Undefined when Elasticsearch is not configured. */
  auditLog: AuditLog | undefined;
  eraseKeys: (person: ErasedPerson) => Promise<number>;
  eraseWorkflows: (userId: string, known: KnownWorkflows) => Promise<number>;
  /** Returns the key that the limits of a user count under. */
  limitKeyOf: (userId: string) => string;
  events: Pick<Events, 'accountErased'>;
}

/** The erasure activities of the registration role. */
export type ErasureActivities = ReturnType<typeof createErasureActivities>;

/** Creates the erasure activities of the registration role. Temporal retries outages. */
export function createErasureActivities(deps: ErasureActivityDeps) {
  const { accounts, deletions, auditLog } = deps;
  return {
    /** Deletes the user's workflow executions from Temporal. Idempotent: deleted ones are not found again. */
    async eraseWorkflows({ deletionId }: ErasureInput): Promise<void> {
      const { userId } = await personOf(deletions, deletionId);
      const { registrationIds } = (await accounts.read(userId)) ?? {};
      const workflows = await deps.eraseWorkflows(userId, { registrationIds, deletionId });
      await deletions.count(deletionId, { workflows });
    },

    /** Rewrites the user's audit events, once all are indexed. Idempotent: rewritten events stay unchanged. */
    async eraseAuditLog({ deletionId }: ErasureInput): Promise<void> {
      if (auditLog === undefined) return;
      const { userId, alias } = await personOf(deletions, deletionId);
      const { username, email, phone, registrationIds } = (await accounts.read(userId)) ?? {};
      const names = namesOf({ username, phone, email });
      const identities = [userId, ...names, username, email && emailKey(email)].flatMap((known) => known ?? []);
      const pseudonyms = identities.flatMap(auditLog.pseudonymsOf);
      await auditLog.shipped();
      const auditEvents = await auditLog.rewrite({ userId, pseudonyms, registrationIds }, { userId, alias });
      await deletions.count(deletionId, { auditEvents });
    },

    /**
     * Deletes the devices, which ends their inboxes, the archived messages, the conversations, then the user's keys from
     * Redis: in this order, because a user without devices gets no message that would leave keys. Idempotent: it deletes.
     */
    async eraseKeys({ deletionId }: ErasureInput): Promise<void> {
      const { userId } = await personOf(deletions, deletionId);
      await deps.devices.erase(userId);
      await deps.archive.erase(userId);
      await deps.conversations.erase(userId);
      await deletions.count(deletionId, { keys: await deps.eraseKeys({ userId, limitKey: deps.limitKeyOf(userId) }) });
    },

    /** Deletes the keys of the devices, the claims, then the account. Idempotent, because the account is deleted last. */
    async eraseAccount({ deletionId }: ErasureInput): Promise<void> {
      const { userId } = await personOf(deletions, deletionId);
      await deps.preKeys.eraseOf(userId);
      await deletions.count(deletionId, { claims: await accounts.erase(userId) });
    },

    /** Removes the user from the receipt and emits the event. Idempotent by `deletionId`. */
    async finishErasure({ deletionId }: ErasureInput): Promise<void> {
      await deletions.finish(deletionId, new Date());
      deps.events.accountErased({ deletionId });
    },
  };
}

/** Reads the user of a deletion from its receipt. @throws {Failure} not-found: the erasure is already finished */
async function personOf(
  deletions: Pick<Deletions, 'read'>,
  deletionId: string,
): Promise<{ userId: string; alias: string }> {
  const { userId, alias } = (await deletions.read(deletionId)) ?? {};
  if (userId === undefined || alias === undefined) throw new Failure('not-found');
  return { userId, alias };
}
