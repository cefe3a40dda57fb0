// @rerun never
/** The cases A3, B2 and B3 of the abuse catalogue with as many registrations as it names; test/abuse has fewer. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { codeFor, messagesTo, type RegistrationHandle, startRegistration } from '../support/client.ts';
import { atOnce } from '../support/redis.ts';
import { withSystem } from '../support/with-system.ts';

const sendsPerNumber = 6;
const wrongPerNumber = 12;
const unprovenPerPrefix = 8;
/** Number of concurrent starts that the sockets and processors of one machine handle well. */
const groupSize = 20;

const { system } = await withSystem({
  REGISTRATION_STEPS: 'code',
  REGISTRATION_TTL: '86400',
  OTP_TTL: '3600',
  OTP_RESEND_WAITS: '3600,3600',
  LIMIT_SENDS_PER_NUMBER: `${sendsPerNumber}/3600`,
  LIMIT_WRONG_CODES_PER_NUMBER: `${wrongPerNumber}/3600`,
  LIMIT_UNPROVEN_SENDS_PER_PREFIX: `${unprovenPerPrefix}/3600`,
});

/** Starts registrations, each from its own IP address. */
async function startMany(count: number, phoneOf: (index: number) => string): Promise<RegistrationHandle[]> {
  const registrations: RegistrationHandle[] = [];
  while (registrations.length < count) {
    const started = registrations.length;
    const start = (index: number) =>
      startRegistration(system.ready.apiUrl, { phone: phoneOf(started + index) }, {}, `127.0.7.${started + index + 1}`);
    registrations.push(...(await atOnce(Math.min(groupSize, count - started), start)));
  }
  return registrations;
}

/** Requests a code for each. Returns those that got one and those that a limit refused. */
async function sendToEach(
  registrations: readonly RegistrationHandle[],
): Promise<{ sent: RegistrationHandle[]; refused: RegistrationHandle[] }> {
  const answers = await Promise.all(
    registrations.map((registration) => registration.call('POST', '/codes', { channel: 'sms' })),
  );
  const having = (status: number) => registrations.filter((_, index) => answers[index]?.status === status);
  const result = { sent: having(202), refused: having(429) };
  assert.equal(result.sent.length + result.refused.length, registrations.length);
  return result;
}

describe('many registrations', () => {
  it('A3: 200 of one number from 200 addresses send and compare no more codes than one', async () => {
    const phone = '+491521110003';
    const { sent } = await sendToEach(await startMany(200, () => phone));
    assert.equal(sent.length, sendsPerNumber);
    await codeFor(system.ready.outboxUrl, phone, sendsPerNumber);
    const codes = (await messagesTo(system.ready.outboxUrl, phone)).map(({ code = '' }) => code);
    assert.equal(codes.length, sendsPerNumber);
    const wrong = Array.from({ length: sendsPerNumber + 5 }, (_, index) => String(index).padStart(6, '0'))
      .filter((one) => !codes.includes(one))
      .slice(0, 5);
    const guesses = await Promise.all(
      sent.flatMap((registration) => wrong.map((code) => registration.call('PUT', '/code', { code }))),
    );
    assert.equal(guesses.filter(({ status }) => status === 400).length, wrongPerNumber);
    assert.equal(guesses.filter(({ status }) => status === 429).length, guesses.length - wrongPerNumber);
  });

  it('B2: 50 of one number send as many codes as the limit of the number', async () => {
    const phone = '+491531110002';
    const { sent } = await sendToEach(await startMany(50, () => phone));
    assert.equal(sent.length, sendsPerNumber);
    await codeFor(system.ready.outboxUrl, phone, sendsPerNumber);
    assert.equal((await messagesTo(system.ready.outboxUrl, phone)).length, sendsPerNumber);
  });

  it('B3: 30 numbers of one block send as many codes as the limit of the block', async () => {
    const { sent } = await sendToEach(await startMany(30, (index) => `+4915731${String(270_000 + index)}`));
    assert.equal(sent.length, unprovenPerPrefix);
  });
});
