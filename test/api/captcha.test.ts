import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createChallenge, solveChallenge } from 'altcha-lib';
import { deriveKey as deriveSolution } from 'altcha-lib/algorithms/pbkdf2';
import { captchaPaths } from '../../engines/fakes/captcha.ts';
import { defaultCaptchaSecret } from '../../engines/fakes/fakes.ts';
import { Secret } from '../../platform/config/secret.ts';
import { deriveKey } from '../../platform/crypto.ts';
import { type Answer, type RegistrationHandle, solveCaptcha, startRegistration } from '../support/client.ts';
import { holdToContract } from '../support/contract.ts';
import { setFault } from '../support/faults.ts';
import { must, startAnotherApi } from '../support/registrations.ts';
import { withSystem } from '../support/with-system.ts';

type Vendor = keyof typeof captchaPaths;
const vendors: Vendor[] = ['hcaptcha', 'turnstile', 'recaptcha'];

const urls: Partial<Record<Vendor, string>> = {};

const { system, url, api } = await withSystem({}, { roles: ['api', 'registration'] });
const started = vendors.map(async (vendor) => {
  const { apiUrl } = await startAnotherApi(system, {
    CAPTCHA_PROVIDER: vendor,
    CAPTCHA_SITE_KEY: `site-key-of-${vendor}`,
    CAPTCHA_SECRET: defaultCaptchaSecret,
    CAPTCHA_VERIFY_URL: system.ready.outboxUrl + captchaPaths[vendor],
    CAPTCHA_HOSTNAMES: 'app.example.org,localhost',
    CAPTCHA_SCORE_MIN: '50',
  });
  urls[vendor] = apiUrl;
  await holdToContract(apiUrl);
});
await Promise.all(started);

async function isSolved(registration: RegistrationHandle): Promise<boolean> {
  const { body } = await registration.call('GET', '');
  return body.steps.find((step: { name: string }) => step.name === 'captcha').status === 'done';
}

async function assertRefused(
  registration: RegistrationHandle,
  answer: Answer,
  status: number,
  what: string,
): Promise<void> {
  assert.equal(answer.status, status, `${what}: ${JSON.stringify(answer.body)}`);
  assert.equal(answer.body.error_code, { 400: 'INVALID_REQUEST', 403: 'FORBIDDEN', 503: 'UNAVAILABLE' }[status], what);
  assert.equal(await isSolved(registration), false, what);
}

function encode(payload: unknown, indent?: number): { provider: string; token: string } {
  return { provider: 'altcha', token: Buffer.from(JSON.stringify(payload, null, indent)).toString('base64') };
}

function decode({ token }: { token: string }) {
  return JSON.parse(Buffer.from(token, 'base64').toString());
}

describe('PUT /api/v1/registrations/{id}/captcha with ALTCHA', () => {
  it('accepts a solved challenge, and the same registration may repeat it', async () => {
    const registration = await startRegistration(url);
    const proof = await solveCaptcha(url);
    await must(registration.call('PUT', '/captcha', proof));
    await must(registration.call('PUT', '/captcha', proof));
    assert.equal(await isSolved(registration), true);
  });

  it('accepts a solved challenge once, in any encoding', async () => {
    const proof = await solveCaptcha(url);
    await must((await startRegistration(url)).call('PUT', '/captcha', proof));
    const payload = decode(proof);
    const spellings = [
      proof,
      encode(payload, 2),
      encode({ ...payload, took: 12 }),
      encode({ solution: { ...payload.solution, time: 5 }, challenge: payload.challenge }),
      { ...proof, token: proof.token.replaceAll('=', '') },
      { ...proof, token: `${proof.token}\u0020`.trimEnd() },
    ];
    for (const spelling of spellings) {
      const registration = await startRegistration(url);
      const answer = await registration.call('PUT', '/captcha', spelling);
      await assertRefused(registration, answer, 400, decode(spelling));
      assert.match(answer.body.error, /already used/);
    }
  });

  it('refuses a challenge that is unsolved, forged or expired', async () => {
    const registration = await startRegistration(url);
    const wrong = await solvedPayload();
    wrong.solution.counter += 1;
    wrong.solution.derivedKey = wrong.solution.derivedKey.replace(/./g, '0');
    await assertRefused(
      registration,
      await registration.call('PUT', '/captcha', encode(wrong)),
      403,
      'a wrong solution',
    );

    const easier = await solvedPayload();
    easier.challenge.parameters.cost = 1;
    await assertRefused(
      registration,
      await registration.call('PUT', '/captcha', encode(easier)),
      403,
      'an easier challenge',
    );

    const longer = await solvedPayload();
    longer.challenge.parameters.expiresAt = 9_999_999_999;
    await assertRefused(
      registration,
      await registration.call('PUT', '/captcha', encode(longer)),
      403,
      'a later expiry',
    );

    const own = await challengeBy('0'.repeat(64), Date.now() + 3_600_000);
    await assertRefused(
      registration,
      await registration.call('PUT', '/captcha', encode(own)),
      403,
      'a challenge signed with another key',
    );

    const key = deriveKey(new Secret(system.secrets.PAYLOAD_KEY), 'captcha').toString('hex');
    const late = await challengeBy(key, Date.parse('2026-01-01'));
    await assertRefused(
      registration,
      await registration.call('PUT', '/captcha', encode(late)),
      403,
      'an expired challenge',
    );
    await must(registration.call('PUT', '/captcha', encode(await challengeBy(key, Date.now() + 3_600_000))));
  });

  it('returns 400 for a malformed token and for another provider', async () => {
    const registration = await startRegistration(url);
    const { token } = await solveCaptcha(url);
    const tokens = [
      'undefined',
      'null',
      'e30=',
      'not base64 at all',
      'W10=',
      Buffer.from('{"challenge":1}').toString('base64'),
    ];
    for (const text of tokens) {
      await assertRefused(
        registration,
        await registration.call('PUT', '/captcha', { provider: 'altcha', token: text }),
        400,
        text,
      );
    }
    const other = await registration.call('PUT', '/captcha', { provider: 'hcaptcha', token });
    await assertRefused(registration, other, 400, 'another provider');
    assert.equal(other.body.details[0].path, 'provider');
  });

  async function solvedPayload() {
    return decode(await solveCaptcha(url));
  }

  async function challengeBy(secret: string, expiresAt: number): Promise<unknown> {
    const challenge = await createChallenge({
      algorithm: 'PBKDF2/SHA-256',
      cost: 1000,
      counter: 1,
      deriveKey: deriveSolution,
      expiresAt: new Date(expiresAt),
      hmacSignatureSecret: secret,
      hmacKeySignatureSecret: `${secret} key`,
    });
    return { challenge, solution: await solveChallenge({ challenge, deriveKey: deriveSolution }) };
  }
});

describe('PUT /api/v1/registrations/{id}/captcha with a vendor', () => {
  /** A token as the widget of the vendor issues it, with these properties of the solution. */
  async function tokenOf(provider: Vendor, solved: Record<string, unknown> = {}): Promise<string> {
    const response = await fetch(`${system.ready.outboxUrl}/captcha/tokens`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ provider, ...(provider !== 'hcaptcha' && { action: 'register' }), ...solved }),
    });
    return ((await response.json()) as { token: string }).token;
  }

  const prove = (registration: RegistrationHandle, provider: Vendor, token: string) =>
    registration.call('PUT', '/captcha', { provider, token });

  it('returns the site key, and accepts a token of each vendor once', async () => {
    for (const vendor of vendors) {
      const apiUrl = urls[vendor] ?? '';
      const offer = await api.offerCaptcha({ at: apiUrl });
      assert.deepEqual(offer.body, { provider: vendor, siteKey: `site-key-of-${vendor}` });
      const token = await tokenOf(vendor);
      const registration = await startRegistration(apiUrl);
      await must(prove(registration, vendor, token));
      await must(prove(registration, vendor, token));
      const other = await startRegistration(apiUrl);
      await assertRefused(other, await prove(other, vendor, token), 400, `${vendor} twice`);
      await assertRefused(other, await prove(other, vendor, 'made-up'), 400, `${vendor} made up`);
      const old = await tokenOf(vendor, { ageSeconds: 400 });
      const { status } = await prove(other, vendor, old);
      assert.ok(status === 400 || status === 403, `${vendor} expired: ${status}`);
      assert.equal(await isSolved(other), false);
    }
  });

  it('returns 403 for a token of another site, for another action, or with too low a score', async () => {
    const solved: [Vendor, Record<string, unknown>][] = [
      ['hcaptcha', { hostname: 'evil.example' }],
      ['turnstile', { hostname: 'evil.example' }],
      ['recaptcha', { hostname: 'evil.example' }],
      ['turnstile', { action: 'login' }],
      ['turnstile', { action: '' }],
      ['recaptcha', { action: 'login' }],
      ['recaptcha', { score: 0.49 }],
    ];
    for (const [vendor, how] of solved) {
      const registration = await startRegistration(urls[vendor] ?? '');
      const answer = await prove(registration, vendor, await tokenOf(vendor, how));
      await assertRefused(registration, answer, 403, `${vendor} ${JSON.stringify(how)}`);
    }
    const enough = await startRegistration(urls.recaptcha ?? '');
    await must(prove(enough, 'recaptcha', await tokenOf('recaptcha', { score: 0.5 })));
  });

  it('returns 503 while the vendor is unavailable or returns garbage, and the token stays valid', async () => {
    const { outboxUrl } = system.ready;
    for (const vendor of vendors) {
      const registration = await startRegistration(urls[vendor] ?? '');
      const token = await tokenOf(vendor);
      for (const mode of ['error500', 'html', 'empty']) {
        await setFault(outboxUrl, { channel: 'captcha', provider: vendor, mode });
        const answer = await prove(registration, vendor, token);
        await assertRefused(registration, answer, 503, `${vendor} ${mode}`);
        assert.equal(answer.headers.get('retry-after'), String(answer.body.retry_after_seconds));
      }
      await setFault(outboxUrl, { channel: 'captcha', provider: vendor, mode: 'none' });
      await must(prove(registration, vendor, token));
    }
  });

  it('returns 503 when the vendor rejects the configured secret, because the user cannot fix that', async () => {
    const { outboxUrl } = system.ready;
    const fault = { channel: 'captcha', provider: 'turnstile' };
    await setFault(outboxUrl, { ...fault, mode: 'error400', providerCode: 'invalid-input-secret' });
    const registration = await startRegistration(urls.turnstile ?? '');
    const answer = await prove(registration, 'turnstile', await tokenOf('turnstile'));
    await setFault(outboxUrl, { ...fault, mode: 'none' });
    await assertRefused(registration, answer, 503, 'wrong secret');
    assert.doesNotMatch(JSON.stringify(answer.body), /secret/);
  });
});
