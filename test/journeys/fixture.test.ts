/** Accounts that tests create without a registration equal those that a registration creates. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { codeFor, startRegistration } from '../support/client.ts';
import { type Chosen, registeredPerson, signedIn, type Who } from '../support/people.ts';
import { goodPassword, must, registrationWithCode, startAnotherApi } from '../support/registrations.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind, api } = await withSystem({ OTP_TTL: '3600' });

/** Fields that differ between accounts: ids, times, and values that are salted or encrypted with a random IV. */
const own = [
  '_id',
  'userId',
  'registrationIds',
  'createdAt',
  'password',
  'pin',
  'directoryIdEncrypted',
  'emailEncrypted',
  'phoneNumberEncrypted',
];

/** The account of a user and its claims, without the values that differ between accounts. */
async function storedOf(userId: string) {
  const shape = (document: object) =>
    Object.fromEntries(
      Object.entries(document).map(([name, value]) => [name, own.includes(name) ? formOf(value) : value]),
    );
  const users = await behind.database
    .collection('users')
    .find({ _id: userId as never })
    .toArray();
  const claims = await behind.database.collection('claims').find({ userId }).sort({ _id: 1 }).toArray();
  return { users: users.map(shape), claims: claims.map(({ _id, ...rest }) => ({ _id, ...shape(rest) })) };
}

/** The type of a value, or the prefix that all values of its kind share. */
function formOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(formOf);
  if (typeof value !== 'string') return value?.constructor.name;
  if (value.startsWith('$argon2')) return value.slice(0, value.lastIndexOf('$')).replace(/\$[^$]*$/, '');
  return /^[0-9a-f-]+$/.test(value) ? 'an id' : value.split('.')[0];
}

/** Deletes the account and its claims. */
async function forget(userId: string): Promise<void> {
  await behind.database.collection('users').deleteOne({ _id: userId as never });
  await behind.database.collection('claims').deleteMany({ userId });
}

/** Asserts that the fixture stores the same account and claims as a registration of the same user. */
async function assertSame(registered: string, who: Who, chosen: Chosen): Promise<void> {
  const expected = await storedOf(registered);
  assert.equal(expected.users.length, 1);
  await forget(registered);
  const { userId } = await registeredPerson(system, who, chosen);
  assert.deepEqual(await storedOf(userId), expected);
}

describe('An account created by a fixture', () => {
  it('equals that of a registration with the directory, with password and PIN', async () => {
    const chosen = { password: goodPassword, pin: '830571' };
    const { registration, code } = await registrationWithCode(system, 900);
    await must(registration.call('PUT', '/code', { code }));
    const { body } = await must(registration.call('PUT', '/credentials', chosen));
    await assertSame(body.userId, 900, chosen);
  });

  it('equals that of a registration without the directory, with a language', async () => {
    const { apiUrl } = await startAnotherApi(system, { REGISTRATION_STEPS: 'code,credentials' });
    const who = { username: 'ada', fullName: 'Ada Lovelace', email: 'ada@example.net' };
    const registration = await startRegistration(apiUrl, { ...who, locale: 'de' });
    await must(registration.call('POST', '/codes', { channel: 'email' }), 202);
    await must(registration.call('PUT', '/code', { code: await codeFor(system.ready.outboxUrl, who.email) }));
    const { body } = await must(registration.call('PUT', '/credentials', { password: goodPassword }));
    await assertSame(body.userId, who, { locale: 'de' });
  });

  it('logs in, and has the session that a registration creates', async () => {
    const { registration, code } = await registrationWithCode(system, 901);
    await must(registration.call('PUT', '/code', { code }));
    await must(registration.call('PUT', '/credentials', { password: goodPassword }));
    const taken = (await must(registration.call('POST', '/session'), 201)).body;
    const given = await signedIn(system, 902);
    const { userId, registrationId: _, name: _name, mail: _mail, phone: _phone, token: _token, ...tokens } = given;
    assert.deepEqual(Object.keys(tokens).sort(), Object.keys(taken).sort());
    assert.deepEqual(Object.keys(tokens.user).sort(), Object.keys(taken.user).sort());
    const { body } = await must(api.readMe({ token: given.accessToken }));
    assert.deepEqual(body, { ...given.user });
    assert.equal(body.userId, userId);
    const login = { identifier: 'person902', password: goodPassword };
    await must(api.beginLogInAlias({ body: login }));
    await must(api.refreshTokens({ body: { refreshToken: given.refreshToken } }));
    const fieldsOf = async (of: string) => {
      const [session = ''] = await behind.sessionsOf(of);
      const { userId: _, refresh: __, createdAt: ___, ...fields } = await behind.redis.hgetall(session);
      return [Object.keys(fields).sort(), fields.ip, fields.idleMs, fields.roles, fields.userAgent];
    };
    const other = await signedIn(system, 903);
    assert.deepEqual(await fieldsOf(other.userId), await fieldsOf(taken.user.userId));
  });

  it('is refused if another account has the number', async () => {
    await registeredPerson(system, 904);
    await assert.rejects(registeredPerson(system, 904), /has an account already/);
  });
});
