/** The devices, links, keys and wake-ups of the sample day, with a new device that its account denies and reports. */
import type { AuditAction } from '../domain/audit.ts';
import { attackers, type Day, dayMinutes, incidents, type MessageContext, type Person, robot } from './sample-day.ts';

const role = 'registration';
const pushProviders = ['webpush', 'fcm', 'apns'] as const;

/** A person with an account. */
type Owner = Person & { userId: string };

/** Adds people who add, link and remove devices, and what goes wrong on the way. */
export function addDevices(day: Day): void {
  const owners = Array.from({ length: 24 }, (): Owner => ({ ...day.person(), userId: day.id(24) }));
  for (const [index, owner] of owners.entries()) addOwner(day, 15 + index * (dayMinutes / 26), owner);
  const [first, second, third] = owners as [Owner, Owner, Owner];
  addRemovals(day, owners);
  addDenials(day, [second, third, first]);
  addReported(day, first);
  addDrainedKeys(day, { victim: second, fetcher: third });
  addWakeUps(day, owners);
}

/** Adds the first device of a person with its keys, and often a second one that it links. */
function addOwner(day: Day, begin: number, owner: Owner): void {
  const act = (minute: number, action: AuditAction, facts: MessageContext = {}) =>
    day.add(begin + minute, action, { person: owner, ...facts });
  const registration = { details: { registration: { id: day.id(26) } } };
  const isRegistered = day.random() < 0.7;
  act(0, 'device-add', isRegistered ? { reason: 'registration', role, ...registration } : { reason: 'session' });
  act(0.1, 'keys-upload');
  act(0.2, 'push-change', { details: { messaging: { provider: day.pick(pushProviders) } } });
  if (day.random() < 0.6) {
    const person = { ...owner, agent: day.pick(['Vyry/0.1.0 (desktop)', owner.agent]) };
    const { userId: _none, ...stranger } = person;
    act(3, 'device-link', { person: stranger, reason: 'requested' });
    act(3.3, 'device-link', { reason: 'claimed' });
    act(4, 'device-link', { reason: 'approved' });
    act(4.2, 'device-add', { person, reason: 'link' });
    act(4.4, 'keys-upload');
  }
  for (let index = 0; index < 3; index++)
    act(8 + index, 'keys-fetch', { targetId: day.id(24), ...(day.random() < 0.1 && { reason: 'none-left' }) });
  if (day.random() < 0.3) day.add(begin + 12, 'keys-low', { targetId: owner.userId, reason: 'few-left' });
}

function addRemovals(day: Day, owners: readonly Owner[]): void {
  for (const minute of [210, 580, 990])
    day.add(minute, 'device-remove', { person: day.pick(owners), reason: 'revoked' });
  const again = day.pick(owners);
  const approval = { reason: 'approved', person: again };
  day.add(700, 'approval-request', {
    person: { ...day.person(again.ip), country: again.country },
    targetId: again.userId,
  });
  day.add(702, 'approval-answer', approval);
  day.add(705, 'device-add', { reason: 'registration', person: again });
  day.add(705.1, 'device-remove', { role, reason: 'replaced', person: again });
  day.add(705.2, 'identity-change', { role, reason: 'reregistered', person: again });
  day.add(1000, 'identity-change', { reason: 'rotated', person: day.pick(owners) });
  day.add(1300.1, 'device-remove', { role, reason: 'operator', targetId: day.pick(owners).userId });
}

/** Adds denials without a report, and links that expire. */
function addDenials(day: Day, owners: readonly Owner[]): void {
  const failure = { status: 'failure' as const };
  for (const [index, person] of owners.entries()) {
    const reason = index === 0 ? 'wrong-code' : 'denied';
    day.add(330 + 190 * index, 'device-link', { ...failure, person, reason });
    day.add(500 + 210 * index, 'device-link', { ...failure, role, targetId: person.userId, reason: 'expired' });
  }
  const [person] = owners;
  day.add(820, 'approval-answer', { ...failure, ...(person && { person }), reason: 'denied' });
}

/** Adds a stranger who asks to become a device of a person: by a link that the person scans, then by a registration. */
function addReported(day: Day, victim: Owner): void {
  const { from } = incidents['A new device was denied and reported'];
  const stranger = day.person(attackers.linking, robot);
  const denial: MessageContext = { status: 'failure', reason: 'reported', person: victim };
  day.add(from - 2, 'device-link', { person: stranger, reason: 'requested' });
  day.add(from - 1, 'device-link', { person: victim, reason: 'claimed' });
  day.add(from, 'device-link', denial);
  day.add(from + 1, 'approval-request', { person: stranger, targetId: victim.userId });
  day.add(from + 2, 'approval-answer', denial);
}

/** Adds somebody who fetches the keys of one person until none is left. */
function addDrainedKeys(day: Day, { victim, fetcher }: { victim: Owner; fetcher: Owner }): void {
  const low = { targetId: victim.userId };
  for (let index = 0; index < 40; index++) {
    const reason = index < 30 ? {} : { reason: index % 2 ? 'limited' : 'none-left' };
    day.add(860 + index, 'keys-fetch', { person: fetcher, targetId: victim.userId, ...reason });
  }
  day.add(880, 'keys-low', { ...low, reason: 'few-left' });
  day.add(889, 'keys-low', { ...low, reason: 'none-left' });
  day.add(890, 'keys-low', { ...low, reason: 'none-left' });
}

/** Adds push registrations that are removed, and wake-ups that could not be sent. Those that were sent leave no event. */
function addWakeUps(day: Day, owners: readonly Owner[]): void {
  for (let index = 0; index < 9; index++) {
    const details = { messaging: { provider: day.pick(pushProviders) } };
    const targetId = day.pick(owners).userId;
    day.add(60 + 140 * index, 'push-change', { role, targetId, reason: 'token-dead', details });
    const facts = { role: 'delivery', status: 'failure' as const, targetId, details };
    day.add(95 + 130 * index, 'wake-up-send', { ...facts, reason: day.pick(['answers-413', 'request-refused']) });
  }
  const lost = { status: 'failure' as const, reason: 'unavailable' };
  day.add(1135, 'wake-up-send', { ...lost, targetId: day.pick(owners).userId });
}
