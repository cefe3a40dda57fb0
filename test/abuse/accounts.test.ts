/** What an attacker tries with accounts of others, by the ids of the abuse catalogue. */
import { after, before, describe, it } from 'node:test';
import type { System } from '../../engines/system.ts';
import { type Answer, call, codeFor, messagesTo, noticesTo } from '../support/client.ts';
import { holdToContract } from '../support/contract.ts';
import { startTestSystem } from '../support/engines.ts';
import { assertLimited, completedFlow, goodPassword, must, phoneOf } from '../support/flows.ts';
import { until } from '../support/journey.ts';

const page = 'https://app.example/account';
const newPassword = 'violet-harbour-engraves-93';

let system: System;
let url: string;

before(async () => {
  system = await startTestSystem({ env: { CAPTCHA_COST: '2', RECOVERY_URL: page } });
  url = system.ready.apiUrl;
  await holdToContract(url);
});
after(() => system?.stop());

const post = (path: string, body: unknown, token?: string): Promise<Answer> =>
  call(url, 'POST', `/api/v1${path}`, { body, ...(token && { token }) });

/** Somebody with an account, a PIN and a session. */
async function person(index: number) {
  const flow = await completedFlow(system, index);
  const { body } = await must(flow.call('POST', '/session'), 201);
  const token = body.accessToken as string;
  const pin = { pin: '830571', currentPassword: goodPassword };
  await must(call(url, 'PUT', '/api/v1/auth/pin', { token, body: pin }), 204);
  const name = `person${index}`;
  return { name, mail: `${name}@example.org`, phone: phoneOf(index), userId: body.user.userId as string, token };
}

/** The session of who has nothing but the mailbox of a person, and has recovered their password by it. */
async function recovered({ name, mail }: { name: string; mail: string }): Promise<string> {
  await must(post('/auth/password/forgot', { identifier: name }), 202);
  const read = async () => {
    const bodies = (await noticesTo(system.ready.outboxUrl, mail)).map(({ body }) => body);
    return new RegExp(`${page}#token=([\\w-]{43})`).exec(bodies.join('\n'))?.[1];
  };
  await until(async () => (await read()) !== undefined, 60_000);
  await must(post('/auth/password/reset', { token: await read(), password: newPassword }), 204);
  return (await must(post('/auth/login', { identifier: name, password: newPassword }))).body.accessToken;
}

describe('A recovery of the password', () => {
  it('O6: gives the PIN to nobody by the same mailbox for a day; a code by SMS replaces it at once', async () => {
    const ada = await person(600);
    const token = await recovered(ada);
    assertLimited(await post('/auth/pin/reset/code', { channel: 'email' }, token), 'pin-reset-after-recovery', 86_400);
    const before = (await messagesTo(system.ready.outboxUrl, ada.phone)).length;
    const { body: begun } = await must(post('/auth/pin/reset/code', { channel: 'sms' }, token), 202);
    const code = await codeFor(system.ready.outboxUrl, ada.phone, before + 1);
    await must(post('/auth/pin/reset', { resetId: begun.resetId, code, pin: '274916' }, token), 204);
    await must(post('/auth/pin/verify', { pin: '274916' }, token), 204);
  });

  it('O6: nor by a number that was put into the account after it', async () => {
    const ada = await person(601);
    const token = await recovered(ada);
    const phone = '+447700901601';
    const { body } = await must(call(url, 'PUT', '/api/v1/users/me', { token, body: { phone } }), 202);
    const code = await codeFor(system.ready.outboxUrl, phone, 1);
    await must(post(`/users/me/changes/${body.changeId}/verify`, { code }, token));
    for (const channel of ['sms', 'email']) {
      assertLimited(await post('/auth/pin/reset/code', { channel }, token), 'pin-reset-after-recovery', 86_400);
    }
    await must(post('/auth/pin/verify', { pin: '830571' }, token), 204);
  });

  it('O6: nor by a code that was sent before it', async () => {
    const ada = await person(602);
    const before = (await messagesTo(system.ready.outboxUrl, ada.mail)).length;
    const { body: begun } = await must(post('/auth/pin/reset/code', { channel: 'email' }, ada.token), 202);
    const code = await codeFor(system.ready.outboxUrl, ada.mail, before + 1);
    const token = await recovered(ada);
    const reset = await post('/auth/pin/reset', { resetId: begun.resetId, code, pin: '274916' }, token);
    assertLimited(reset, 'pin-reset-after-recovery', 86_400);
    await must(post('/auth/pin/verify', { pin: '830571' }, token), 204);
  });
});
