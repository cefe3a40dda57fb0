/**
 * The ECS names of an audit event. A process writes the nine fields of the contract and authenticates them. The role `audit`
 * adds what follows from them when it ships an event: the same values under their ECS names, the program of the user agent,
 * the place and network of the address. Every query and rule for ECS then works on fields, not on aliases.
 *
 * Program, place and network are not authenticated: they follow from fields that are, by tables that change.
 *
 * https://www.elastic.co/docs/reference/ecs
 */
import type { AddressOrigin, AuditEvent, Program } from './audit.ts';

/** How the derived fields of an event are found. */
export interface EcsTables {
  /** Returns the place and network of an address; undefined where they are not known. */
  originOf: (address: string) => AddressOrigin | undefined;
  /** Returns the program of a user agent. */
  programOf: (userAgent: string) => Program;
}

/** Returns an event with the fields of ECS. Safe to repeat. */
export function withEcsFields(event: AuditEvent, { originOf, programOf }: EcsTables): AuditEvent {
  const { level, action, status, userId, ip, userAgent } = event;
  return {
    ...event,
    log: { level },
    event: { ...event.event, action, outcome: status },
    ...(userId !== undefined && { user: { ...event.user, id: userId } }),
    ...(ip !== undefined && { source: { ip, ...originOf(ip) } }),
    ...(userAgent !== undefined && { user_agent: { original: userAgent, ...programOf(userAgent) } }),
  };
}

/** Returns an event as its process wrote it. */
export function withoutEcsFields(event: AuditEvent): AuditEvent {
  const { log: _log, source: _source, user_agent: _program, event: what, user, ...own } = event;
  const { action: _action, outcome: _outcome, ...whatHappened } = what;
  const { id: _id, ...whom } = user ?? {};
  return { ...own, event: whatHappened, ...(Object.keys(whom).length > 0 && { user: whom }) };
}

/**
 * Returns whether the values under ECS names are those that the event itself has. Events of before these fields have none of
 * them.
 */
export function agreesWithEcs(event: AuditEvent): boolean {
  const { log, source, user_agent: program, event: what, user } = event;
  if (log === undefined) {
    return [source, program, what.action, what.outcome, user?.id].every((field) => field === undefined);
  }
  return (
    log.level === event.level &&
    what.action === event.action &&
    what.outcome === event.status &&
    user?.id === event.userId &&
    source?.ip === event.ip &&
    program?.original === event.userAgent
  );
}
