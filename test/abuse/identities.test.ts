// @rerun never
/** Names, numbers and addresses under abuse: the cases C, D1 and D7 of the abuse catalogue, with their ids. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Answer, call, codeFor, messagesTo, registrationOf, startRegistration } from '../support/client.ts';
import { registeredPerson } from '../support/people.ts';
import { atOnce } from '../support/redis.ts';
import { allMessages, goodPassword, must } from '../support/registrations.ts';
import { withSystem } from '../support/with-system.ts';

const sendsMax = 4;

const { system, behind, url, outboxUrl, codeBy } = await withSystem({
  REGISTRATION_STEPS: 'code,credentials',
  LIMIT_SENDS_PER_NUMBER: `${sendsMax}/3600`,
  LIMIT_SENDS_PER_MAILBOX: `${sendsMax}/3600`,
});

const start = (body: unknown) => call(url, 'POST', '/api/v1/registrations', { body });

/** Starts a registration, verifies its number or address and finishes it. Returns the response of the last step. */
async function register(identity: Record<string, string>, to: string, channel: string): Promise<Answer> {
  const registration = await startRegistration(url, identity);
  const { code } = await codeBy(to, () => registration.call('POST', '/codes', { channel }));
  await must(registration.call('PUT', '/code', { code }));
  const last = await registration.call('PUT', '/credentials', { password: goodPassword });
  if (last.status !== 200) return last;
  return registration.call('POST', '/session');
}

/** R2: asserts that each body is refused and leaves nothing behind. */
async function assertAllRefused(bodies: unknown[]): Promise<void> {
  const before = [await behind.countRegistrations(), (await allMessages(outboxUrl)).length];
  for (const body of bodies) {
    const answer = await start(body);
    assert.deepEqual([answer.status, answer.body.error_code], [400, 'INVALID_REQUEST'], JSON.stringify(body));
    assert.ok(answer.body.details.length > 0);
  }
  assert.deepEqual([await behind.countRegistrations(), (await allMessages(outboxUrl)).length], before);
}

describe('C: identity strings', () => {
  it('C1: the spellings of a number are normalized to one, or refused, as in docs/numbers.md', async () => {
    const read = [
      '+49 171 1234567',
      '+49(0)171 1234567',
      '+4901711234567',
      '+49\u00a0171\u00a01234567',
      '+49-171-1234567',
    ];
    for (const phone of read) assert.equal((await must(start({ phone }), 201)).body.phone, '+49•••••4567', phone);
    const refused = [
      '0049171 1234567',
      '0171 1234567',
      'tel:+49-171-1234567',
      '\uff0b49 171 1234567',
      '+49 171 1234567;ext=5',
    ];
    await assertAllRefused(refused.map((phone) => ({ phone })));
  });

  it('C2: two spellings at once share their limits and one account', async () => {
    const spellings = ['+49 172 7654321', '+49(0)172-7654321'];
    const registrations = await atOnce(10, (index) => startRegistration(url, { phone: spellings[index % 2] }));
    const answers = await Promise.all(
      registrations.map((registration) => registration.call('POST', '/codes', { channel: 'sms' })),
    );
    assert.equal(answers.filter(({ status }) => status === 202).length, sendsMax);
    for (const { status, body } of answers.filter(({ status }) => status !== 202)) {
      assert.deepEqual([status, body.limit], [429, 'sends-per-number']);
    }
    const boxes = ['c2@example.org', 'C2@EXAMPLE.org', 'c2+a@example.org', 'c2+b@example.org'];
    const mails = await atOnce(8, (index) => startRegistration(url, { email: boxes[index % boxes.length] }));
    const mailed = await Promise.all(
      mails.map((registration) => registration.call('POST', '/codes', { channel: 'email' })),
    );
    assert.equal(mailed.filter(({ status }) => status === 202).length, sendsMax);
    const session = await register({ phone: '+49 173 7654321' }, '+491737654321', 'sms');
    assert.equal(session.status, 201);
    const again = await register({ phone: '+49(0)173-7654321' }, '+491737654321', 'sms');
    assert.deepEqual([again.status, again.body.error_code], [409, 'CONFLICT'], 'the account exists already');
  });

  it('C6: a homograph is another identity or refused; A-label and U-label are the same, and the A-label is returned', async () => {
    await assertAllRefused([
      { email: '\u0430dmin@example.com' },
      { username: '\u0430dmin' },
      { username: 'ad\u03bcin' },
    ]);
    for (const email of ['ada@b\u00fccher.example', 'ada@B\u00dcCHER.example', 'ada@xn--bcher-kva.example']) {
      assert.equal((await must(start({ email }), 201)).body.email, 'a•••@xn--bcher-kva.example');
    }
    const mixed = await start({ email: 'ada@ex\u0430mple.com' });
    if (mixed.status === 201) assert.match(mixed.body.email, /@xn--/);
    else assert.equal(mixed.status, 400);
  });

  it('C7: letters that fold to ASCII match no ASCII name or address', async () => {
    const session = await register({ email: 'mike@example.org', username: 'kiss' }, 'mike@example.org', 'email');
    assert.equal(session.status, 201);
    await assertAllRefused([
      ...['m\u0131ke@example.org', 'mi\u212ae@example.org'].map((email) => ({ email })),
      ...['\u212aiss', 'ki\u017f\u017f', '\uff4biss'].map((username) => ({ username, email: 'c7@example.org' })),
    ]);
    const other = await register({ email: 'c7@example.org', username: 'ki\u00df' }, 'c7@example.org', 'email');
    assert.equal(other.status, 201, 'a sharp s is not a double s');
  });

  it('C11: anything but a single address is refused', async () => {
    await assertAllRefused(
      [
        ...['a@x.com\r\nBcc: v@y.com', 'a@x.com%0aBcc:v@y.com', 'a%0a@x.com', 'a@x.com,b@y.com', 'a@x.com;b@y.com'],
        ...['N <a@x.com>', '<a@x.com>', 'a@x.com b@y.com', '"a b"@x.com', 'a@[127.0.0.1]', 'a@@x.com', 'a!b@x.com'],
      ].map((email) => ({ email })),
    );
  });

  it('C12: an address that is not a single string is refused', async () => {
    await assertAllRefused([
      { email: ['victim@example.org', 'attacker@example.org'] },
      { email: { 0: 'victim@example.org' } },
      { phone: ['+491711234567'] },
      { email: 'victim@example.org', 'email[]': 'attacker@example.org' },
    ]);
    const form = await call(url, 'POST', '/api/v1/registrations', {
      body: 'email=victim@example.org&email=attacker@example.org',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    });
    assert.equal(form.status, 415);
  });

  it('C14: invisible characters are refused in names and addresses', async () => {
    const invisible = [
      '\u200b',
      '\u200d',
      '\ufeff',
      '\u00ad',
      '\u202e',
      '\u2066',
      '\u0000',
      '\u2028',
      '\u180e',
      '\u{e0001}',
    ];
    await assertAllRefused(
      invisible.flatMap((mark) => [
        { username: `ad${mark}a`, email: 'c14@example.org' },
        { email: `ad${mark}a@example.org` },
        { email: 'c14@example.org', username: `${mark}ada` },
      ]),
    );
  });

  it('C17: input without a verification is discarded, and reserves no name', async () => {
    const phone = '+491741110017';
    const attacker = await startRegistration(url, { phone, username: 'victim17', fullName: 'Not the victim' });
    await must(attacker.call('PUT', '/credentials', { password: 'attackers-own-password-17' }));
    const session = await register({ phone, username: 'victim17', fullName: 'Victim' }, phone, 'sms');
    assert.equal(session.status, 201);
    assert.equal(session.body.user.username, 'victim17');
    assert.equal(session.body.user.fullName, 'Victim');
    assert.equal((await attacker.call('POST', '/session')).status, 409);
    assert.equal((await attacker.call('GET', '')).body.userId, undefined);
    assert.equal((await attacker.call('PUT', '/code', { code: '000000' })).status, 409);
  });
});

/** The parts of a response that a caller could compare. */
function face({ status, body, headers }: Answer): string {
  const names = [...headers.keys()].sort();
  return JSON.stringify([status, Object.keys(body).sort(), names, headers.get('content-length')]);
}

describe('D: enumeration', () => {
  it('D1: a number with an account, with a locked one and with none gets the same responses until it is verified', async () => {
    const [known, locked, free] = ['+491761000001', '+491761000002', '+491761000003'];
    await registeredPerson(system, { phone: known });
    await registeredPerson(system, { phone: locked }, { pin: '830571' });
    const faces: string[][] = [];
    const ends: [number, string][] = [];
    for (const phone of [known, locked, free]) {
      const started = await must(start({ phone }), 201);
      const registration = registrationOf(url, started.body.registrationId, started.body.registrationToken);
      const before = (await messagesTo(outboxUrl, phone)).length;
      const sent = await must(registration.call('POST', '/codes', { channel: 'sms' }), 202);
      const code = await codeFor(outboxUrl, phone, before + 1);
      const wrong = await registration.call('PUT', '/code', { code: code === '000000' ? '000001' : '000000' });
      assert.equal(wrong.status, 400);
      faces.push([
        face(started),
        face(sent),
        face(wrong),
        face(await must(registration.call('PUT', '/code', { code }))),
      ]);
      const end = await registration.call('PUT', '/credentials', { password: goodPassword });
      ends.push([end.status, end.body.error_code ?? end.body.steps.at(-1).name]);
    }
    assert.deepEqual(faces[0], faces[2]);
    assert.deepEqual(faces[1], faces[2]);
    assert.deepEqual(ends, [
      [409, 'CONFLICT'],
      [200, 'approval'],
      [200, 'credentials'],
    ]);
  });

  it('D7: no route looks up users: only log-in, recovery, registration and profile take a number, address or name', async () => {
    const { paths, components } = (await (await fetch(`${url}/openapi.json`)).json()) as {
      paths: Record<string, Record<string, object>>;
      components: { schemas: Record<string, object> };
    };
    const taking = Object.entries<Record<string, object>>(paths).flatMap(([path, operations]) =>
      Object.entries(operations).flatMap(([method, operation]) => {
        const { requestBody, parameters } = operation as { requestBody?: object; parameters?: object };
        const own = JSON.stringify([requestBody, parameters]);
        const named = [...own.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(
          ([, name = '']) => components.schemas[name],
        );
        const takes = /"(phone|email|identifier|username|numbers?|contacts?)":/.test(own + JSON.stringify(named));
        return takes ? [`${method} ${path}`] : [];
      }),
    );
    assert.deepEqual(taking.sort(), [
      'post /api/v1/auth/login',
      'post /api/v1/auth/login/init',
      'post /api/v1/auth/password/forgot',
      'post /api/v1/auth/register',
      'post /api/v1/registrations',
      'put /api/v1/registrations/{registrationId}/directory',
      'put /api/v1/users/me',
    ]);
  });
});
