import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Fakes, startFakes } from '../../engines/fakes/fakes.ts';
import { untilHeld } from '../support/faults.ts';
import { stopTime } from '../support/stopped-time.ts';

const options = {
  twilio: { accountSid: 'AC00000000000000000000000000000001', authToken: 'example-only-token' },
  captchaSecret: 'example-only-secret',
};
type Provider = keyof Fakes['captchaUrls'];
type Verdict = Record<string, unknown>;

async function solve({ outboxUrl }: Fakes, challenge: { provider: Provider } & Verdict): Promise<string> {
  const res = await fetch(`${outboxUrl}/captcha/tokens`, { method: 'POST', body: JSON.stringify(challenge) });
  assert.equal(res.status, 201);
  return ((await res.json()) as { token: string }).token;
}

function send({ captchaUrls }: Fakes, provider: Provider, form: Record<string, string>): Promise<Response> {
  return fetch(captchaUrls[provider], { method: 'POST', body: new URLSearchParams(form) });
}

async function verify(fakes: Fakes, provider: Provider, response: string, more = {}): Promise<Verdict> {
  const form = { secret: options.captchaSecret, response, remoteip: '127.0.0.1', ...more };
  const res = await send(fakes, provider, form);
  assert.equal(res.status, 200);
  return (await res.json()) as Verdict;
}

async function putFault({ outboxUrl }: Fakes, fault: Record<string, unknown>): Promise<void> {
  const body = JSON.stringify({ channel: 'captcha', ...fault });
  assert.equal((await fetch(`${outboxUrl}/faults`, { method: 'PUT', body })).status, 200);
}

describe('hCaptcha fake', () => {
  it('verifies a token once', async () => {
    await using fakes = await startFakes(options);
    using _time = stopTime(['Date']);
    const token = await solve(fakes, { provider: 'hcaptcha', hostname: 'app.example.org' });
    const first = await verify(fakes, 'hcaptcha', token);
    assert.equal(first.success, true);
    assert.equal(first.hostname, 'app.example.org');
    assert.equal(first.challenge_ts, new Date().toISOString());
    const second = await verify(fakes, 'hcaptcha', token);
    assert.deepEqual(second, { success: false, 'error-codes': ['already-seen-response'] });
  });

  it('refuses an old token', async () => {
    await using fakes = await startFakes(options);
    const token = await solve(fakes, { provider: 'hcaptcha', ageSeconds: 121 });
    const verdict = await verify(fakes, 'hcaptcha', token);
    assert.deepEqual(verdict, { success: false, 'error-codes': ['expired-input-response'] });
  });
});

describe('Turnstile fake', () => {
  it('verifies a token once, with its action and data', async () => {
    await using fakes = await startFakes(options);
    const token = await solve(fakes, { provider: 'turnstile', action: 'register', cdata: 'flow-7' });
    const { challenge_ts, ...first } = await verify(fakes, 'turnstile', token);
    assert.deepEqual(first, {
      success: true,
      'error-codes': [],
      hostname: 'localhost',
      action: 'register',
      cdata: 'flow-7',
    });
    const second = await verify(fakes, 'turnstile', token);
    assert.deepEqual(second, { success: false, 'error-codes': ['timeout-or-duplicate'] });
  });

  it('repeats its response only for the same idempotency key', async () => {
    await using fakes = await startFakes(options);
    const token = await solve(fakes, { provider: 'turnstile' });
    const key = { idempotency_key: '6f0e6e4c-7f3a-4c55-9d5f-3a2f2b4d7c11' };
    const otherKey = { idempotency_key: '6f0e6e4c-7f3a-4c55-9d5f-3a2f2b4d7c12' };
    assert.equal((await verify(fakes, 'turnstile', token, key)).success, true);
    assert.equal((await verify(fakes, 'turnstile', token, key)).success, true);
    assert.equal((await verify(fakes, 'turnstile', token, otherKey)).success, false);
    assert.equal((await verify(fakes, 'turnstile', token)).success, false);
  });
});

describe('reCAPTCHA fake', () => {
  it('verifies a token once, with its action and score', async () => {
    await using fakes = await startFakes(options);
    const token = await solve(fakes, { provider: 'recaptcha', action: 'login', score: 0.3 });
    const first = await verify(fakes, 'recaptcha', token);
    assert.deepEqual([first.success, first.action, first.score], [true, 'login', 0.3]);
    const second = await verify(fakes, 'recaptcha', token);
    assert.deepEqual(second, { success: false, 'error-codes': ['timeout-or-duplicate'] });
  });
});

describe('captcha fakes', () => {
  it('refuse a bad or missing secret and a bad or missing token, and keep the token valid', async () => {
    await using fakes = await startFakes(options);
    const token = await solve(fakes, { provider: 'turnstile' });
    const codeOf = async (form: Record<string, string>) =>
      ((await (await send(fakes, 'turnstile', form)).json()) as Verdict)['error-codes'];
    const { captchaSecret: secret } = options;
    assert.deepEqual(await codeOf({ response: token }), ['missing-input-secret']);
    assert.deepEqual(await codeOf({ secret: 'wrong', response: token }), ['invalid-input-secret']);
    assert.deepEqual(await codeOf({ secret }), ['missing-input-response']);
    assert.deepEqual(await codeOf({ secret, response: 'made-up' }), ['invalid-input-response']);
    const foreign = await verify(fakes, 'hcaptcha', token);
    assert.deepEqual(foreign['error-codes'], ['invalid-input-response']);
    assert.equal((await verify(fakes, 'turnstile', token)).success, true);
  });

  it('refuse to create a token with invalid parameters', async () => {
    await using fakes = await startFakes(options);
    const body = JSON.stringify({ provider: 'hcaptcha', score: 2 });
    const res = await fetch(`${fakes.outboxUrl}/captcha/tokens`, { method: 'POST', body });
    assert.equal(res.status, 400);
  });

  it('fail as the fault says and verify nothing meanwhile', async () => {
    await using fakes = await startFakes(options);
    const token = await solve(fakes, { provider: 'hcaptcha' });
    const form = { secret: options.captchaSecret, response: token };
    await putFault(fakes, { mode: 'error500' });
    assert.equal((await send(fakes, 'hcaptcha', form)).status, 500);
    await putFault(fakes, { mode: 'html' });
    const html = await send(fakes, 'hcaptcha', form);
    assert.deepEqual([html.status, html.headers.get('content-type')], [200, 'text/html']);
    await putFault(fakes, { mode: 'empty' });
    const empty = await send(fakes, 'hcaptcha', form);
    assert.deepEqual([empty.status, await empty.text()], [200, '']);
    await putFault(fakes, { mode: 'error400' });
    assert.equal((await send(fakes, 'hcaptcha', form)).status, 400);
    await putFault(fakes, { mode: 'none' });
    assert.equal((await verify(fakes, 'hcaptcha', token)).success, true);
  });

  it('use up the token even if the response is late or lost', async () => {
    await using fakes = await startFakes(options);
    const [late, lost] = [await solve(fakes, { provider: 'recaptcha' }), await solve(fakes, { provider: 'recaptcha' })];
    await putFault(fakes, { provider: 'recaptcha', mode: 'hold' });
    const verifying = verify(fakes, 'recaptcha', late);
    await untilHeld(fakes.outboxUrl, { channel: 'captcha', provider: 'recaptcha' });
    await putFault(fakes, { provider: 'recaptcha', mode: 'none' });
    assert.equal((await verify(fakes, 'recaptcha', late)).success, false);
    assert.equal((await verifying).success, true);
    await putFault(fakes, { provider: 'recaptcha', mode: 'accept-then-drop' });
    await assert.rejects(send(fakes, 'recaptcha', { secret: options.captchaSecret, response: lost }));
    await putFault(fakes, { mode: 'none' });
    assert.equal((await verify(fakes, 'recaptcha', lost)).success, false);
  });
});
