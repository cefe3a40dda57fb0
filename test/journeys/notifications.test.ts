/** Account owners are notified of what happens to their account, once, in their language. No request waits for it. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import type { AuditAction, AuditEvent } from '../../domain/audit.ts';
import { notificationsTo, type OutboxMessage } from '../support/client.ts';
import { setFault } from '../support/faults.ts';
import { createJourney, type Journey, personOf } from '../support/journey.ts';
import { signedIn } from '../support/people.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

let people = 400;

const { system, behind: stores, api } = await withSystem({ RESEND_API_KEY: 'fake' });

beforeEach(() => setFault(system.ready.outboxUrl, { channel: 'email', mode: 'none' }));

const next = (locale?: string): Journey =>
  createJourney(system.ready, personOf(people++), 'sms', locale === undefined ? {} : { locale });
const again = ({ person }: Pick<Journey, 'person'>): Journey => createJourney(system.ready, person);

/** A user with an account and a session, who has received no notification. */
async function owner(locale?: string) {
  const index = people++;
  const password = personOf(index).newPassword;
  return { person: personOf(index), ...(await signedIn(system, index, { password, ...(locale && { locale }) })) };
}

async function notificationsOf({ person }: Pick<Journey, 'person'>, count: number): Promise<OutboxMessage[]> {
  const read = () => notificationsTo(system.ready.outboxUrl, person.email);
  await until(async () => (await read()).length >= count);
  return read();
}

/** Audit events with an action, about one account if it is given. */
async function eventsOf(action: AuditAction, userId?: string): Promise<AuditEvent[]> {
  const events = await stores.auditEvents(action);
  return events.filter((event) => userId === undefined || event.user?.target?.id === userId);
}

const subjectsOf = (notifications: OutboxMessage[]) => notifications.map(({ subject }) => subject);

describe('The owner of an account', () => {
  it('is welcomed, once, in their language', async () => {
    const journey = next('de');
    await journey.walk('session');
    const notifications = await notificationsOf(journey, 1);
    assert.deepEqual(subjectsOf(notifications), ['Willkommen bei Vyry']);
  });

  it('is notified, in their language, when a code for their number is requested; once a day, however often', async () => {
    const german = await owner('de');
    for (let turn = 0; turn < 3; turn++) await again(german).walk('send');
    const warned = await notificationsOf(german, 1);
    assert.match(warned[0]?.subject ?? '', /registriert Ihre Nummer bei Vyry$/);
    // a second notification would arrive before this one, which is requested later
    const later = next();
    await later.walk('session');
    await notificationsOf(later, 1);
    assert.equal((await notificationsOf(german, 1)).length, 1);
  });

  it('is not revealed by it: the responses are those for a free number', async () => {
    const [known, unknown] = [again(await owner()), next()];
    const shapes = [];
    for (const journey of [known, unknown]) {
      await journey.walk('captcha');
      const { status, body, headers } = await journey.act();
      shapes.push([status, Object.keys(body).sort(), body.state, body.steps, [...headers.keys()].sort()]);
    }
    assert.deepEqual(shapes[0], shapes[1]);
  });
});

describe('A password change', () => {
  it('is notified by e-mail and by SMS, and by one while the provider of the other is unavailable', async () => {
    const { person, userId, accessToken } = await owner();
    const { email, phone, newPassword } = person;
    await setFault(system.ready.outboxUrl, { channel: 'email', mode: 'error500' });
    const { status } = await api.changePassword({
      token: accessToken,
      body: { currentPassword: newPassword, newPassword: 'violet-harbour-engraves-93' },
    });
    assert.equal(status, 204);
    const told = async (to: string) =>
      (await notificationsTo(system.ready.outboxUrl, to)).filter(({ body }) =>
        body.includes('password of your Vyry account'),
      );
    await until(async () => (await told(phone)).length > 0);
    assert.deepEqual(await told(email), []);
    await setFault(system.ready.outboxUrl, { channel: 'email', mode: 'none' });
    await until(async () => (await told(email)).length > 0);
    assert.deepEqual([(await told(phone)).length, (await told(email)).length], [1, 1]);
    await until(async () => (await eventsOf('notification-send', userId)).length === 2);
  });
});

describe('A notification', () => {
  it('delays no request when its provider is unavailable, and arrives once when the provider recovers', async () => {
    await setFault(system.ready.outboxUrl, { channel: 'email', mode: 'error500' });
    const journey = next();
    await journey.walk('session');
    assert.equal(journey.answerOf('credentials').body.state, 'completed');
    await until(async () => (await eventsOf('dependency-away')).length > 0);
    assert.deepEqual(await notificationsTo(system.ready.outboxUrl, journey.person.email), []);
    await setFault(system.ready.outboxUrl, { channel: 'email', mode: 'none' });
    assert.equal((await notificationsOf(journey, 1)).length, 1);
  });

  it('leaves one audit event, with the account and without the recipient', async () => {
    const journey = next();
    await journey.walk('session');
    const { userId } = journey.answerOf('credentials').body;
    await until(async () => (await eventsOf('notification-send', userId)).length > 0);
    const [event] = await eventsOf('notification-send', userId);
    assert.deepEqual(
      [event?.status, event?.metadata, event?.vyry.messaging?.provider],
      ['success', { kind: 'welcome' }, 'smtp'],
    );
    assert.equal(JSON.stringify(event).includes(journey.person.email), false);
  });
});
