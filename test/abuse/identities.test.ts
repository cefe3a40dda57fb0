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
      'tel:+49-171-1234567',
      '\uff0b49 171 1234567',
    ];
    for (const phone of read) assert.equal((await must(start({ phone }), 201)).body.phone, '+49•••••4567', phone);
    const refused = ['0049171 1234567', '0171 1234567', 'tel:171-1234567;phone-context=+49', '+49 171 1234567;ext=5'];
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

  it('C14: invisible characters are refused in names, and dropped from addresses before they are compared', async () => {
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
        { email: 'c14@example.org', username: `${mark}ada` },
      ]),
    );
    await assertAllRefused(['\u0000', '\u2028', '\n'].map((mark) => ({ email: `ad${mark}a@example.org` })));
    const session = await register({ email: '\u202ac\u200b14@exam\u00adple.org\ufeff' }, 'c14@example.org', 'email');
    assert.equal(session.body.user.email, 'c14@example.org');
    const again = await register({ email: 'c14@example.org' }, 'c14@example.org', 'email');
    assert.equal(again.status, 409);
  });

  it('F4: a number, a code and a PIN are read as they are typed and pasted, at every step', async () => {
    const [phone, pin] = ['+12025550122', '８３０ 571'];
    const registration = await startRegistration(url, { phone: '\u202a+12025550122\u202c' });
    await must(registration.call('POST', '/codes', { channel: 'sms' }), 202);
    const code = await codeFor(outboxUrl, phone, 1);
    const misread = await registration.call('PUT', '/code', { code: `${code.slice(0, 3)} ` });
    assert.equal(misread.body.error_code, 'INVALID_REQUEST');
    const { body } = await must(registration.call('PUT', '/code', { code: `${code.slice(0, 3)} ${code.slice(3)}` }));
    assert.equal(body.steps[0].status, 'done');
    await must(registration.call('PUT', '/credentials', { pin, password: goodPassword }));
    const token = (await must(registration.call('POST', '/session'), 201)).body.accessToken;
    await must(call(url, 'POST', '/api/v1/auth/pin/verify', { token, body: { pin: '830571' } }), 204);
    for (const identifier of ['tel:+1-202-555-0122', '(+1) 202 555 0122', ' \u2066+1\u00a0202 555 0122\u2069']) {
      await must(call(url, 'POST', '/api/v1/auth/login', { body: { identifier, password: goodPassword } }));
    }
  });

  it('F5: a password set in one Unicode form is typed in another', async () => {
    const password = 'Gr\u00fc\u00dfe-aus-K\u00f6ln-\u00e9l\u00e8ve-4471';
    const registration = await startRegistration(url, { email: 'f5@example.org' });
    await must(registration.call('POST', '/codes', { channel: 'email' }), 202);
    await must(registration.call('PUT', '/code', { code: await codeFor(outboxUrl, 'f5@example.org', 1) }));
    await must(registration.call('PUT', '/credentials', { password }));
    for (const typed of [password, password.normalize('NFD')]) {
      const body = { identifier: 'f5@example.org', password: typed };
      await must(call(url, 'POST', '/api/v1/auth/login', { body }));
    }
  });

  it('F6: no name is read as an address, a number or an id, and none looks like another', async () => {
    const email = 'f6@example.org';
    const owner = await registeredPerson(system, { username: 'victor', phone: '+491761000006' });
    await assertAllRefused(
      ['victor\ufe0f', 'victim@example.com', '+12025550177', owner.userId, 'admin', 'r00t', '--yes', '\u0430dmin'].map(
        (username) => ({ username, email }),
      ),
    );
    const token = (await must(register({ email, username: 'free-name' }, email, 'email'), 201)).body.accessToken;
    for (const username of ['victor', 'vict0r', 'VICTOR']) {
      const taken = await call(url, 'PUT', '/api/v1/users/me', { token, body: { username } });
      assert.deepEqual([taken.status, taken.body.error_code], [409, 'CONFLICT'], username);
    }
    for (const username of ['support', 'victim@example.com']) {
      const refused = await call(url, 'PUT', '/api/v1/users/me', { token, body: { username } });
      assert.equal(refused.status, 400, username);
    }
    // a name may change to one that only looks like it, and still belongs to its owner
    await must(call(url, 'PUT', '/api/v1/users/me', { token, body: { username: 'free-narne' } }));
    const other = await register({ email: 'f6b@example.org', username: 'free-name' }, 'f6b@example.org', 'email');
    assert.equal(other.status, 409);
  });

  it('F7: a name keeps the joiner that its script needs, and no invisible character', async () => {
    const fullName = '\u0639\u0644\u06cc\u200c\u0631\u0636\u0627';
    const session = await register({ email: 'f7@example.org', fullName }, 'f7@example.org', 'email');
    assert.equal(session.body.user.fullName, fullName);
    const refused = ['Ada\u061c', 'Ada\u2028', '\u200d', '\u3164', 'Ada\u202e', 'Ada\r\nBcc: a@b.example'];
    await assertAllRefused(refused.map((name) => ({ email: 'f7@example.org', fullName: name })));
    const token = session.body.accessToken;
    for (const name of refused) {
      assert.equal((await call(url, 'PUT', '/api/v1/users/me', { token, body: { fullName: name } })).status, 400);
    }
  });

  it('F8: a number of before a change of the numbering plan is the number of today, and one that is gone is told', async () => {
    const gone = { username: 'f8-gone', phone: '+22912345' };
    await registeredPerson(system, { username: 'f8-old', phone: '+22997123456' });
    await registeredPerson(system, gone);
    const bodyOf = (identifier: string) => ({ body: { identifier, password: goodPassword } });
    for (const identifier of ['+22997123456', '+229 01 97 12 34 56', 'f8-old']) {
      const { body } = await must(call(url, 'POST', '/api/v1/auth/login', bodyOf(identifier)));
      assert.deepEqual([body.user.phone, body.user.phoneRefused], ['+2290197123456', undefined]);
    }
    const { loginId } = (
      await must(call(url, 'POST', '/api/v1/auth/login/init', { body: { identifier: '+22997123456' } }), 202)
    ).body;
    const code = await codeFor(outboxUrl, '+2290197123456', 1);
    await must(call(url, 'POST', '/api/v1/auth/login/verify', { body: { loginId, code, password: goodPassword } }));
    const { body } = await must(call(url, 'POST', '/api/v1/auth/login', bodyOf(gone.username)));
    assert.equal(body.user.phoneRefused, 'number-not-valid');
  });

  it('F14: a password of the own name, address or number is refused at registration', async () => {
    const own = { phone: '+491761000014', username: 'wintergreen-harbour', fullName: 'Quentin Brightwater' };
    const registration = await startRegistration(url, own);
    await must(registration.call('POST', '/codes', { channel: 'sms' }), 202);
    await must(registration.call('PUT', '/code', { code: await codeFor(outboxUrl, own.phone, 1) }));
    const key = { 'Idempotency-Key': 'f14' };
    for (const password of ['wintergreen-harbour', 'Wintergreen-Harbour7', 'Quentin Brightwater', '+49176 1000014!']) {
      const weak = await registration.call('PUT', '/credentials', { password }, key);
      assert.deepEqual([weak.status, weak.body.details?.[0]?.path], [400, 'password'], password);
    }
    const { body } = await must(registration.call('PUT', '/credentials', { password: goodPassword }, key));
    assert.equal(body.state, 'completed');
  });

  it('F29: a PIN that many people choose is refused', async () => {
    const registration = await startRegistration(url, { phone: '+491761000029' });
    for (const pin of ['121212', '112233', '2580', '147258', '19900101']) {
      const weak = await registration.call('PUT', '/credentials', { pin });
      assert.deepEqual([weak.status, weak.body.details[0].path], [400, 'pin'], pin);
    }
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
