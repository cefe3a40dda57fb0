import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ProfileChange } from '../../contract/users.ts';
import type { AuditAction } from '../../domain/audit.ts';
import { codeFor, messagesTo, notificationsTo } from '../support/client.ts';
import { setFault } from '../support/faults.ts';
import { type SignedIn, signedIn } from '../support/people.ts';
import { assertLimited, must, phoneOf, startAnotherApi, wrongCode } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind, url, api, logIn, codeBy } = await withSystem({
  REGISTRATION_STEPS: 'code,credentials',
  OTP_TTL: '3600',
});

type Own = Pick<SignedIn, 'token'>;

/** A number that only one user of this file has. */
const numberOf = phoneOf;

/** A user with an account and a session: with a number, or with the given address instead. */
const person = (index: number, reached: { email?: string; phone?: string } = { phone: numberOf(index) }) =>
  signedIn(system, { username: `profile${index}`, fullName: 'Before Change', ...reached });

const put = ({ token }: Own, body: ProfileChange, headers: Record<string, string> = {}, at = url) =>
  api.changeProfile({ at, token, body, headers });
const read = async ({ token }: Own) => (await must(api.readMe({ token }))).body;
const prove = ({ token }: Own, changeId: string, code: string) =>
  api.verifyContact({ changeId, token, body: { code } });

/** Requests a new number or address. Returns the id of the change and the code that was sent there. */
const begin = (who: Own, wanted: { phone: string } | { email: string }) =>
  codeBy('phone' in wanted ? wanted.phone.replaceAll(' ', '') : wanted.email, () => put(who, wanted));

async function change(who: Own, wanted: { phone: string } | { email: string }) {
  const { changeId, code } = await begin(who, wanted);
  return prove(who, changeId, code);
}

const eventsOf = async ({ userId }: SignedIn, action: AuditAction) =>
  (await behind.auditEvents(action)).filter((event) => event.userId === userId);

describe('PUT /users/me', () => {
  it('changes full name and language at once, keeps other fields, and leaves an audit event', async () => {
    const ada = await person(400);
    const { body } = await must(put(ada, { fullName: 'After Change', locale: 'de-AT' }));
    assert.deepEqual(
      [body.fullName, body.locale, body.username, body.phone],
      ['After Change', 'de', ada.name, numberOf(400)],
    );
    await must(put(ada, {}));
    assert.deepEqual(await read(ada), body);
    await until(async () => (await eventsOf(ada, 'profile-change')).length === 1);
    const [event] = await eventsOf(ada, 'profile-change');
    assert.equal(event?.metadata.fields, 'fullName locale');
    assert.equal((await put(ada, { locale: 'tlh' })).status, 400);
  });

  it('changes the user name: the new one logs in, the old one is free', async () => {
    const [ada, eve] = await Promise.all([person(401), person(402)]);
    await must(put(ada, { username: 'Countess401' }));
    await must(logIn('countess401'));
    assert.equal((await logIn(ada.name)).status, 401);
    assert.equal((await put(eve, { username: 'COUNTESS401' })).status, 409);
    await must(put(eve, { username: ada.name }));
    assert.equal((await behind.claimsOf(ada.userId)).length, 3);
  });

  it('gives a name that four users request at once to one of them', async () => {
    const people = await Promise.all([403, 404, 405, 406].map((index) => person(index)));
    const answers = await Promise.all(people.map((one) => put(one, { username: 'wanted' })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409, 409, 409]);
    const refused = answers.find(({ status }) => status === 409);
    assert.equal(refused?.body.error_code, 'CONFLICT');
    assert.doesNotMatch(JSON.stringify(refused?.body), /E11000|duplicate/);
    for (const one of people) assert.equal((await behind.claimsOf(one.userId)).length, 3);
  });

  it('H16: refuses fields that a user may not set, and changes nothing', async () => {
    const ada = await person(407);
    const before = await read(ada);
    for (const extra of [
      { roles: ['admin'] },
      { userId: 'x' },
      { disabledAt: null },
      { password: 'x' },
      { groups: [] },
    ]) {
      assert.equal((await put(ada, { fullName: 'Somebody Else', ...extra })).status, 400, JSON.stringify(extra));
    }
    assert.deepEqual(await read(ada), before);
  });

  it('keeps the user name of a directory user, because the directory sync uses it', async () => {
    const { accessToken: token } = await signedIn(system, 408);
    const refused = await put({ token }, { username: 'not-of-the-directory' });
    assert.deepEqual([refused.status, refused.body.error_code], [409, 'CONFLICT']);
    await must(put({ token }, { fullName: 'After Change' }));
  });
});

describe('GET /users/me/export', () => {
  it('reports that no audit log is configured, and returns the rest', async () => {
    const ada = await person(409);
    const { body } = await must(api.exportAccount({ token: ada.token }));
    assert.deepEqual(body.auditEvents, { state: 'not-configured', items: [] });
    assert.equal(body.account.phone, numberOf(409));
  });
});

describe('A new number or address', () => {
  it('takes effect when its code is verified; the session continues, and the previous number is notified', async () => {
    const ada = await person(410);
    const { changeId, code } = await begin(ada, { phone: '+44 7700 900411' });
    assert.equal((await read(ada)).phone, numberOf(410));
    assert.equal((await logIn(numberOf(411))).status, 401);
    const { body } = await must(prove(ada, changeId, code));
    assert.equal(body.phone, numberOf(411));
    await must(logIn(numberOf(411)));
    assert.equal((await logIn(numberOf(410))).status, 401);
    await read(ada);
    const told = async () => (await notificationsTo(system.ready.outboxUrl, numberOf(410))).at(-1)?.body ?? '';
    await until(async () => (await told()).includes('number or e-mail address of your Vyry account was changed'));
    assert.equal((await must(prove(ada, changeId, code))).body.phone, numberOf(411), 'a repeat gets the same response');
    await until(async () => (await eventsOf(ada, 'profile-change')).length === 1);
  });

  it('is notified at the previous address and number, whichever of them was changed', async () => {
    const ada = await person(412, { email: 'ada412@example.org' });
    assert.equal((await must(change(ada, { phone: numberOf(413) }))).body.phone, numberOf(413));
    assert.equal((await must(change(ada, { email: 'new412@example.org' }))).body.email, 'new412@example.org');
    const told = async () =>
      (await notificationsTo(system.ready.outboxUrl, 'ada412@example.org')).filter(({ subject = '' }) =>
        subject.includes('number or address was changed'),
      ).length;
    await until(async () => (await told()) === 2);
    // the number is notified of the new address only: there was no number to notify when it was added itself
    await until(async () => (await notificationsTo(system.ready.outboxUrl, numberOf(413))).length === 1);
    const atNew = await notificationsTo(system.ready.outboxUrl, 'new412@example.org');
    assert.deepEqual(
      atNew.map(({ subject }) => subject).filter((subject) => subject?.includes('was changed')),
      [],
    );
  });

  it('of another user gets the response of a free one until its code is verified; the other user is notified', async () => {
    const [ada, eve] = await Promise.all([person(414), person(415, { email: 'eve415@example.org' })]);
    const [taken, free] = [
      await put(ada, { email: 'eve415@example.org' }),
      await put(ada, { email: 'free415@example.org' }),
    ];
    assert.deepEqual([taken.status, free.status], [202, 202]);
    assert.deepEqual(Object.keys(taken.body), Object.keys(free.body));
    const code = await codeFor(system.ready.outboxUrl, 'eve415@example.org');
    const refused = await prove(ada, taken.body.changeId, code);
    assert.deepEqual([refused.status, refused.body.error_code], [409, 'CONFLICT']);
    assert.equal((await read(ada)).email, undefined);
    assert.equal((await read(eve)).email, 'eve415@example.org');
    const told = async () => await notificationsTo(system.ready.outboxUrl, 'eve415@example.org');
    await until(async () => (await told()).some(({ subject = '' }) => subject.includes('is registering your number')));
    await until(async () =>
      (await eventsOf(ada, 'profile-change')).some(({ event }) => event.reason === 'identity-taken'),
    );
  });

  it('goes to one of two users who verify it at once', async () => {
    const [ada, eve] = await Promise.all([person(416), person(417)]);
    const one = await begin(ada, { phone: numberOf(418) });
    const other = await begin(eve, { phone: numberOf(418) });
    const answers = await Promise.all([prove(ada, one.changeId, one.code), prove(eve, other.changeId, other.code)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409]);
    const claims = await Promise.all([ada, eve].map(async ({ userId }) => (await behind.claimsOf(userId)).length));
    assert.deepEqual(claims, [3, 3]);
  });

  it('is one of two that a user verifies at once, and only that one is claimed', async () => {
    const ada = await person(419);
    const changes = [await begin(ada, { phone: numberOf(420) }), await begin(ada, { phone: numberOf(421) })];
    const answers = await Promise.all(changes.map(({ changeId, code }) => prove(ada, changeId, code)));
    // the first one changes the account, after which the other code does not count
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 410]);
    const { phone = '' } = await read(ada);
    assert.ok([numberOf(420), numberOf(421)].includes(phone));
    assert.equal((await behind.claimsOf(ada.userId)).length, 3);
    await must(logIn(phone));
  });

  it('A23: is verified only by its own code, in its own change, by the user who requested it', async () => {
    const [ada, eve] = await Promise.all([person(422), person(423)]);
    const one = await begin(ada, { phone: numberOf(424) });
    const other = await begin(ada, { phone: numberOf(425) });
    if (one.code !== other.code) {
      const { status, body } = await prove(ada, one.changeId, other.code);
      assert.deepEqual([status, body.error_code, body.attemptsLeft], [400, 'INVALID_OTP', 4]);
    }
    assert.equal((await prove(eve, one.changeId, one.code)).status, 404);
    const byLogIn = await api.verify({ body: { loginId: other.changeId, code: other.code } });
    assert.equal(byLogIn.status, 404, 'its code starts no session');
    assert.equal((await read(ada)).phone, numberOf(422));
    const last = await prove(ada, other.changeId, wrongCode(other.code));
    assert.equal(last.body.error_code, 'INVALID_OTP');
  });

  it('is refused as in a registration: premium numbers, malformed addresses, and both at once', async () => {
    const ada = await person(426);
    const premium = await put(ada, { phone: '+447012345678' });
    assert.deepEqual([premium.status, premium.body.details[0].path], [400, 'phone']);
    assert.equal((await put(ada, { email: 'a@x.com,b@y.com' })).status, 400);
    const both = await put(ada, { phone: numberOf(427), email: 'ada427@example.org', fullName: 'After Change' });
    assert.deepEqual([both.status, both.body.details[0].path], [400, 'email']);
    assert.equal((await read(ada)).fullName, 'Before Change');
  });

  it('sends one code for requests with one key; a request over the limit per user changes nothing', async () => {
    const ada = await person(428);
    const ask = () => put(ada, { phone: numberOf(429) }, { 'Idempotency-Key': 'change-429' });
    const answers = await Promise.all([must(ask(), 202), must(ask(), 202)]);
    assert.equal(answers[0]?.body.changeId, answers[1]?.body.changeId);
    await codeFor(system.ready.outboxUrl, numberOf(429));
    const strict = await startAnotherApi(system, { LIMIT_CONTACT_CHANGES_PER_PERSON: '2/3600' });
    await must(put(ada, { phone: numberOf(430) }, {}, strict.apiUrl), 202);
    const refused = await put(ada, { phone: numberOf(431), fullName: 'After Change' }, {}, strict.apiUrl);
    assertLimited(refused, 'contact-changes-per-person', 3600);
    assert.equal((await read(ada)).fullName, 'Before Change');
    assert.equal((await messagesTo(system.ready.outboxUrl, numberOf(429))).length, 1);
  });

  it('waits for an unavailable provider', async () => {
    const ada = await person(432);
    await setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'error500' });
    const { body } = await must(put(ada, { phone: numberOf(433) }), 202);
    await until(async () => (await behind.keys('verification:*contact-change')).length > 0);
    await setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'none' });
    const code = await codeFor(system.ready.outboxUrl, numberOf(433), 1);
    assert.equal((await must(prove(ada, body.changeId, code))).body.phone, numberOf(433));
  });
});
