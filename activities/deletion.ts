/** The deletion of an account: planned, stopped, and carried out store by store. */
import type { PersonTraces } from '../adapters/elastic/erasure.ts';
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Deletions } from '../adapters/mongo/deletions.ts';
import type { ErasedPerson } from '../adapters/redis/erasure.ts';
import type { KnownWorkflows } from '../adapters/temporal/person-workflows.ts';
import type { PlannedDeletion } from '../domain/deletion.ts';
import { Failure } from '../domain/failures.ts';
import { emailKey } from '../domain/registration.ts';
import type { ErasedIdentity } from '../platform/audit.ts';
import type { Events } from '../platform/events.ts';

/** A deletion, as the steps before it is due take it. */
export interface DeletionInput {
  deletionId: string;
  userId: string;
  /** Milliseconds since the Unix epoch. */
  requestedAt: number;
  effectiveAt: number;
  /** The session that asked, which goes on. */
  sessionId: string;
}

/** A deletion, as the steps of its erasure take it: they know nobody by name. */
export interface ErasureInput {
  deletionId: string;
}

export interface DeletionActivityDeps {
  accounts: Pick<Accounts, 'read' | 'planDeletion' | 'stopDeletion'>;
  deletions: Pick<Deletions, 'insert' | 'stop' | 'begin'>;
  sessions: { endAll(userId: string, exceptId?: string): Promise<number> };
  events: Pick<Events, 'deletionChanged'>;
  newId: () => string;
}

export type DeletionActivities = ReturnType<typeof createDeletionActivities>;

/** Creates the activities of the registration role on deletions that are not due. Outages are left to Temporal. */
export function createDeletionActivities({ accounts, deletions, sessions, events, newId }: DeletionActivityDeps) {
  return {
    /**
     * Marks the account, and begins the receipt. Answers the deletion that is planned, which may be another one that was asked
     * for before; null without an account. Safe to repeat: keyed by `deletionId`.
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

    /** Ends the sessions of the person but the one that asked. Safe to repeat: it deletes. */
    endOtherDevices: ({ userId, sessionId }: DeletionInput): Promise<number> => sessions.endAll(userId, sessionId),

    /** Undoes `planDeletion`; the receipt says that it was stopped. Safe to repeat. */
    async stopDeletion({ deletionId, userId }: DeletionInput): Promise<void> {
      await accounts.stopDeletion(userId, deletionId);
      await deletions.stop(deletionId, new Date());
    },

    /** From then on it cannot be stopped. Safe to repeat. */
    beginErasure: ({ deletionId }: ErasureInput): Promise<void> => deletions.begin(deletionId, new Date()),

    /** Leaves the event. Safe to repeat: keyed by `deletionId`. */
    async tellDeletion({ deletionId, userId }: DeletionInput, state: 'planned' | 'stopped'): Promise<void> {
      events.deletionChanged({ deletionId, userId, state });
    },
  };
}

/** What is reached of the audit log. */
export interface AuditLog {
  /** Resolves when every event that was left until now can be rewritten. */
  shipped(): Promise<void>;
  rewrite(person: PersonTraces, identity: ErasedIdentity): Promise<number>;
  pseudonymOf(identity: string): string;
}

export interface ErasureActivityDeps {
  accounts: Pick<Accounts, 'read' | 'erase'>;
  deletions: Pick<Deletions, 'read' | 'count' | 'finish'>;
  /** Undefined where it is not reached. */
  auditLog: AuditLog | undefined;
  eraseKeys: (person: ErasedPerson) => Promise<number>;
  eraseWorkflows: (userId: string, known: KnownWorkflows) => Promise<number>;
  /** What the limits of a person count under. */
  limitKeyOf: (userId: string) => string;
  events: Pick<Events, 'accountErased'>;
}

export type ErasureActivities = ReturnType<typeof createErasureActivities>;

/** Creates the activities of the registration role that erase a person. Outages are left to Temporal, which repeats them. */
export function createErasureActivities(deps: ErasureActivityDeps) {
  const { accounts, deletions, auditLog } = deps;
  return {
    /** Deletes what Temporal has of the person. Safe to repeat: what is gone is not found again. */
    async eraseWorkflows({ deletionId }: ErasureInput): Promise<void> {
      const { userId } = await personOf(deletions, deletionId);
      const { registrationIds } = (await accounts.read(userId)) ?? {};
      const workflows = await deps.eraseWorkflows(userId, { registrationIds, deletionId });
      await deletions.count(deletionId, { workflows });
    },

    /** Rewrites the audit events of the person, once all of them can be. Safe to repeat: what was rewritten stays so. */
    async eraseAuditLog({ deletionId }: ErasureInput): Promise<void> {
      if (auditLog === undefined) return;
      const { userId, alias } = await personOf(deletions, deletionId);
      const { username, email, phone, registrationIds } = (await accounts.read(userId)) ?? {};
      const identities = [username, phone, email, email && emailKey(email)].flatMap((known) => known ?? []);
      const pseudonyms = identities.map(auditLog.pseudonymOf);
      await auditLog.shipped();
      const auditEvents = await auditLog.rewrite({ userId, pseudonyms, registrationIds }, { userId, alias });
      await deletions.count(deletionId, { auditEvents });
    },

    /** Deletes what Redis has of the person. Safe to repeat: it deletes. */
    async eraseKeys({ deletionId }: ErasureInput): Promise<void> {
      const { userId } = await personOf(deletions, deletionId);
      await deletions.count(deletionId, { keys: await deps.eraseKeys({ userId, limitKey: deps.limitKeyOf(userId) }) });
    },

    /** Deletes the account and its claims. Safe to repeat: the account goes last. */
    async eraseAccount({ deletionId }: ErasureInput): Promise<void> {
      const { userId } = await personOf(deletions, deletionId);
      await deletions.count(deletionId, { claims: await accounts.erase(userId) });
    },

    /** Makes the receipt name nobody, and leaves the event. Safe to repeat: keyed by `deletionId`. */
    async finishErasure({ deletionId }: ErasureInput): Promise<void> {
      await deletions.finish(deletionId, new Date());
      deps.events.accountErased({ deletionId });
    },
  };
}

/** @throws {Failure} not-found: it is over already */
async function personOf(
  deletions: Pick<Deletions, 'read'>,
  deletionId: string,
): Promise<{ userId: string; alias: string }> {
  const { userId, alias } = (await deletions.read(deletionId)) ?? {};
  if (userId === undefined || alias === undefined) throw new Failure('not-found');
  return { userId, alias };
}
