/** Connections, refusals and conversations of the sample day, with a device that floods and a sender whom many block. */
import type { AuditAction } from '../domain/audit.ts';
import { attackers, type Day, dayMinutes, incidents, type Person, robot } from './sample-day.ts';

type Owner = Person & { userId: string };

const failure = { status: 'failure' as const };
const limits = ['messages-per-device', 'messages-per-pair', 'messages-per-recipient'];

/** Adds what messages leave in the audit log. The messages themselves leave no event. */
export function addMessages(day: Day): void {
  const owners = Array.from({ length: 30 }, (): Owner => ({ ...day.person(), userId: day.id(24) }));
  addRefusedConnections(day);
  addFloods(day, owners);
  addBlocks(day, owners);
  addInboxes(day, owners);
  for (const [index, minute] of [705.3, 1000.1].entries())
    day.add(minute, 'identity-announce', {
      reason: index === 0 ? 'reregistered' : 'rotated',
      role: 'registration',
      targetId: day.pick(owners).userId,
    });
}

/** Adds old tokens throughout the day, and an address that opens as many connections as it can. */
function addRefusedConnections(day: Day): void {
  const refuse = (minute: number, reason: string, person: Person) =>
    day.add(minute, 'socket-refuse', { ...failure, reason, person });
  for (let index = 0; index < 45; index++)
    refuse(day.random() * dayMinutes, day.pick(['token', 'token', 'token', 'person', 'malformed']), day.person());
  const page = day.person(undefined, 'Mozilla/5.0 (Windows NT 10.0; Win64; x64)');
  for (const minute of [210, 212, 640]) refuse(minute, 'origin', page);
  const attacker = day.person(attackers.connections, robot);
  for (let minute = 0; minute < 24; minute++) refuse(1060 + minute, minute % 3 ? 'address' : 'requests', attacker);
}

/** Adds devices that reached a limit for a minute, and one that goes on. */
function addFloods(day: Day, owners: readonly Owner[]): void {
  const flood = (minute: number, person: Owner, rule: string) =>
    day.add(minute, 'message-flood', { ...failure, reason: rule, person, rule });
  for (let index = 0; index < 8; index++) flood(70 + 165 * index, owners[index] as Owner, day.pick(limits));
  const { from } = incidents['Flood of messages from one device'];
  const sender: Owner = { ...day.person(attackers.messages, robot), userId: day.id(24) };
  for (let minute = 0; minute < 9; minute++) flood(from + minute, sender, 'messages-per-device');
  day.add(from + 3, 'inbox-full', { ...failure, reason: 'inbox', targetId: day.pick(owners).userId });
}

/** Adds people who block somebody, and one sender whom a dozen of them block. */
function addBlocks(day: Day, owners: readonly Owner[]): void {
  const change = (minute: number, action: AuditAction, person: Owner, hash: string) =>
    day.add(minute, action, { person, hash });
  for (let index = 0; index < 14; index++) {
    const [person, hash] = [day.pick(owners), day.id()];
    change(40 + 95 * index, 'user-block', person, hash);
    if (day.random() < 0.4) change(60 + 95 * index, 'user-unblock', person, hash);
  }
  const { from } = incidents['A sender whom many people block'];
  const sender = day.id();
  for (let index = 0; index < 12; index++) change(from + index * 2, 'user-block', owners[index] as Owner, sender);
}

/** Adds devices that are suspended, and told later what they missed. */
function addInboxes(day: Day, owners: readonly Owner[]): void {
  const reasons = ['overflow', 'idle', 'idle', 'overflow', 'idle'];
  for (const [index, reason] of reasons.entries()) {
    const person = owners[index] as Owner;
    const role = reason === 'idle' ? 'registration' : 'api';
    day.add(120 + 180 * index, 'device-suspend', { role, reason, targetId: person.userId });
    if (reason === 'idle') day.add(30 + 100 * index, 'device-idle', { role, reason, targetId: person.userId });
    if (index % 2 === 0) day.add(300 + 200 * index, 'inbox-gap', { reason: 'overflow', person });
  }
  for (const minute of [190, 777, 1290]) day.add(minute, 'inbox-gap', { reason: 'expired', person: day.pick(owners) });
  for (const minute of [430, 431, 980])
    day.add(minute, 'inbox-full', { ...failure, reason: 'inbox', targetId: day.pick(owners).userId });
}
