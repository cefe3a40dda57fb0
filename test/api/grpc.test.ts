/**
 * Signal's registration-service over the wire, called by a client built from the inventory of the contract: each row of
 * the tables of each rpc. Lifetimes are long, and records that must have expired are aged in the store. The defaults
 * are tested in test/domain/sessions.test.ts.
 *
 * A workflow waits by its own clock, with the waits of the api that received the first send. So three apis share the
 * same sessions: that of the system, where the next send is possible after a second; `patient`, where no test reaches
 * the next send; and `brief`, whose sessions end soon.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import { ageRecords } from '../support/aging.ts';
import { codeFor, messagesTo } from '../support/client.ts';
import { type FaultSetting, setFault } from '../support/faults.ts';
import { assertLeft } from '../support/instants.ts';
import { startAnotherApi, wrongCode } from '../support/registrations.ts';
import { isStarted, type RoleProcess, startRole } from '../support/roles.ts';
import {
  connectSignal,
  numbers,
  type SignalClient,
  type WireMetadata,
  type WireResponse,
} from '../support/signal-client.ts';
import { stopTime } from '../support/stopped-time.ts';
import { eventually, until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const token = 'a-bearer-token-of-the-signal-server-1';
const ttlSeconds = 3600;
/** Wait between the sends of `patient`, before its first call, and after the second check of a code on every api. */
const waitSeconds = 600;

let nextNumber = 100;

after(() => {
  for (const client of [signal, patient, brief]) client.close();
});
const { system, behind } = await withSystem({
  GRPC_BEARER_TOKENS: token,
  SIGNAL_SMS_WAITS: '1',
  SIGNAL_VOICE_AFTER_SMS: '1',
  SIGNAL_VOICE_WAITS: '1',
  SIGNAL_CHECK_WAITS: `0,${waitSeconds}`,
  SIGNAL_CODE_TTL: String(ttlSeconds),
  SIGNAL_SESSION_TTL: String(ttlSeconds),
  SIGNAL_SESSIONS_PER_DAY: '3',
  SIGNAL_SESSION_SPACING: '0',
});
const signal = connectSignal(system.ready.grpcAddress, { token });
const waits = String(waitSeconds);
const [patient, brief] = await Promise.all([
  connectTo({ SIGNAL_SMS_WAITS: waits, SIGNAL_VOICE_AFTER_SMS: waits }),
  connectTo({ SIGNAL_CODE_TTL: '5', SIGNAL_SESSION_TTL: '5' }),
]);

async function connectTo(env: Record<string, string>): Promise<SignalClient> {
  return connectSignal((await startAnotherApi(system, env)).grpcAddress, { token });
}

const newNumber = () => `447700900${nextNumber++}`;
const sms = numbers.MESSAGE_TRANSPORT_SMS;
const voice = numbers.MESSAGE_TRANSPORT_VOICE;

async function create(e164 = newNumber(), at = signal): Promise<WireMetadata> {
  return metadataOf(await at.call('CreateSession', { e164 }));
}

const read = (sessionId: Buffer) => signal.call('GetSessionMetadata', { sessionId });
const send = (sessionId: Buffer, transport = sms, at = signal) =>
  at.call('SendVerificationCode', { sessionId, transport });
const check = (sessionId: Buffer, verificationCode: string, at = signal) =>
  at.call('CheckVerificationCode', { sessionId, verificationCode });

/** Sends as soon as a send is possible. */
const sendInTime = (sessionId: Buffer, transport = sms) =>
  eventually(async () => {
    const answer = await send(sessionId, transport);
    return answer.error === undefined ? metadataOf(answer) : undefined;
  });

/** Ages the codes of a session and their checks. */
const ageCodes = (sessionId: Buffer, seconds: number) =>
  ageRecords(behind.redis, `verification:{${sessionId.toString('hex')}}:verify`, seconds);

function metadataOf({ sessionMetadata, error }: WireResponse): WireMetadata {
  assert.equal(error, undefined);
  assert.ok(sessionMetadata);
  return sessionMetadata;
}

/** A session that was sent an SMS, with its code. */
async function sentSession(at = signal): Promise<{ id: Buffer; number: string; code: string }> {
  const { sessionId: id, e164: number } = await create(newNumber(), at);
  metadataOf(await send(id, sms, at));
  return { id, number, code: await codeFor(system.ready.outboxUrl, `+${number}`) };
}

function assertError({ error }: WireResponse, name: string, mayRetry: boolean): number {
  assert.equal(error?.errorType, numbers[name], name);
  assert.equal(error?.mayRetry, mayRetry);
  if (!mayRetry) assert.equal(error?.retryAfterSeconds, '0');
  return Number(error?.retryAfterSeconds);
}

async function withFault<T>(fault: Omit<FaultSetting, 'channel'>, run: () => Promise<T>): Promise<T> {
  await setFault(system.ready.outboxUrl, { channel: 'sms', ...fault });
  try {
    return await run();
  } finally {
    await setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'none' });
  }
}

describe('CreateSession', () => {
  it('returns a session that may send an SMS now, may not call or check yet, and expires after its lifetime', async () => {
    const e164 = newNumber();
    const begunAt = Date.now();
    const { sessionId, expirationSeconds, ...rest } = await create(e164);
    assert.equal(sessionId.length, 16);
    assertLeft(expirationSeconds, ttlSeconds, begunAt);
    assert.deepEqual(rest, {
      verified: false,
      e164,
      mayRequestSms: true,
      nextSmsSeconds: '0',
      mayRequestVoiceCall: false,
      nextVoiceCallSeconds: '0',
      mayCheckCode: false,
      nextCodeCheckSeconds: '0',
    });
  });

  it('refuses an invalid number permanently', async () => {
    for (const e164 of ['12', '0']) {
      const answer = await signal.call('CreateSession', { e164 });
      assert.equal(answer.sessionMetadata, undefined);
      assertError(answer, 'CREATE_REGISTRATION_SESSION_ERROR_TYPE_ILLEGAL_PHONE_NUMBER', false);
    }
  });

  it('F20: limits the sessions of a number for each collation key, so that a stranger does not lock it', async () => {
    const e164 = newNumber();
    const create = (rateLimitCollationKey?: string) => signal.call('CreateSession', { e164, rateLimitCollationKey });
    const begunAt = Date.now();
    for (let count = 0; count < 3; count++) metadataOf(await create('stranger'));
    const stored = (await behind.keys('verification-session:*')).length;
    const seconds = assertError(await create('stranger'), 'CREATE_REGISTRATION_SESSION_ERROR_TYPE_RATE_LIMITED', true);
    assertLeft(seconds, 86_400, begunAt);
    assert.equal((await behind.keys('verification-session:*')).length, stored, 'a refused session is not stored');
    for (const key of ['owner', undefined]) metadataOf(await create(key));
  });

  it('F20: spaces the sessions of one collation key by a minute', async () => {
    const spaced = await connectTo({ SIGNAL_SESSION_SPACING: '60' });
    const e164 = newNumber();
    metadataOf(await spaced.call('CreateSession', { e164, rateLimitCollationKey: 'a' }));
    const begunAt = Date.now();
    const early = await spaced.call('CreateSession', { e164, rateLimitCollationKey: 'a' });
    assertLeft(assertError(early, 'CREATE_REGISTRATION_SESSION_ERROR_TYPE_RATE_LIMITED', true), 60, begunAt);
    metadataOf(await spaced.call('CreateSession', { e164, rateLimitCollationKey: 'b' }));
    spaced.close();
  });

  it('stores no number in plain text, and starts no workflow', async () => {
    const { sessionId, e164 } = await create();
    const id = sessionId.toString('hex');
    const record = JSON.stringify(await behind.redis.hgetall(`verification-session:{${id}}`));
    assert.equal(record.includes(e164), false);
    await assert.rejects(behind.temporal.workflow.getHandle(`verification:${id}`).describe());
  });
});

describe('GetSessionMetadata', () => {
  it('returns the same metadata as the creation, and changes nothing', async () => {
    const begunAt = Date.now();
    const created = await create();
    const { expirationSeconds: _, ...rest } = created;
    const { expirationSeconds: later, ...same } = metadataOf(await read(created.sessionId));
    assert.deepEqual(same, rest);
    assertLeft(later, ttlSeconds, begunAt);
  });

  it('does not find an unknown or an expired session', async () => {
    const { sessionId } = await create();
    const notFound = 'GET_REGISTRATION_SESSION_METADATA_ERROR_TYPE_NOT_FOUND';
    assert.equal((await read(Buffer.alloc(16, 7))).error?.errorType, numbers[notFound]);
    await ageRecords(behind.redis, `verification-session:{${sessionId.toString('hex')}}`, ttlSeconds - 600);
    metadataOf(await read(sessionId));
    await ageRecords(behind.redis, `verification-session:{${sessionId.toString('hex')}}`, 600);
    const answer = await read(sessionId);
    assert.equal(answer.error?.errorType, numbers[notFound]);
    assert.equal(answer.sessionMetadata, undefined);
    assertError(await send(sessionId), 'SEND_VERIFICATION_CODE_ERROR_TYPE_SESSION_NOT_FOUND', false);
    assertError(await check(sessionId, '123456'), 'CHECK_VERIFICATION_CODE_ERROR_TYPE_SESSION_NOT_FOUND', false);
  });
});

describe('A session at a process whose clock is wrong', () => {
  it('F16: lives as long, and so does its code', async () => {
    for (const aheadMs of [2 * ttlSeconds * 1000, -2 * ttlSeconds * 1000]) {
      const { id, code } = await sentSession();
      const begunAt = Date.now();
      const withWrongClock = async () => {
        using _wrong = stopTime(['Date'], { aheadMs });
        const { sessionId } = await create();
        return { sessionId, checked: metadataOf(await check(id, code)) };
      };
      const { sessionId, checked } = await withWrongClock();
      assert.equal(checked.verified, true);
      assertLeft(checked.expirationSeconds, ttlSeconds, begunAt);
      assertLeft(metadataOf(await read(sessionId)).expirationSeconds, ttlSeconds, begunAt);
    }
  });
});

describe('SendVerificationCode', () => {
  it('sends one SMS, returns when the next SMS and the first call are possible, and extends the session', async () => {
    const { sessionId, e164 } = await create();
    const begunAt = Date.now();
    const sent = metadataOf(await send(sessionId, sms, patient));
    assert.equal((await messagesTo(system.ready.outboxUrl, `+${e164}`)).length, 1);
    assert.equal(sent.mayRequestSms, true);
    assertLeft(sent.nextSmsSeconds, waitSeconds, begunAt);
    assert.equal(sent.mayRequestVoiceCall, true);
    assertLeft(sent.nextVoiceCallSeconds, waitSeconds, begunAt);
    assert.equal(sent.mayCheckCode, true);
    assert.equal(sent.nextCodeCheckSeconds, '0');
    assertLeft(sent.expirationSeconds, waitSeconds + ttlSeconds, begunAt);
  });

  it('refuses an unknown transport with the status of the call', async () => {
    const { sessionId } = await create();
    for (const transport of [0, 3, 100]) {
      await assert.rejects(send(sessionId, transport), { code: status.INVALID_ARGUMENT });
    }
  });

  it('does not find an unknown session, and returns no metadata', async () => {
    const answer = await send(Buffer.alloc(16, 9));
    assertError(answer, 'SEND_VERIFICATION_CODE_ERROR_TYPE_SESSION_NOT_FOUND', false);
    assert.equal(answer.sessionMetadata, undefined);
  });

  it('sends nothing for a verified session', async () => {
    const { id, code } = await sentSession();
    await check(id, code);
    const answer = await send(id);
    assertError(answer, 'SEND_VERIFICATION_CODE_ERROR_TYPE_SESSION_ALREADY_VERIFIED', false);
    assert.equal(answer.sessionMetadata?.verified, true);
    assert.equal(answer.sessionMetadata?.mayRequestSms, false);
  });

  it('returns the wait for an early send without moving it, then sends; after the last send it returns no wait', async () => {
    const begunAt = Date.now();
    const { id, number } = await sentSession();
    const published = () => behind.redis.hgetall(`verification-session:{${id.toString('hex')}}`);
    await until(async () => (await published()).published?.includes('"sent"') === true);
    const before = await published();
    for (let tries = 0; tries < 3; tries++) {
      const answer = await send(id, sms, patient);
      assertLeft(assertError(answer, 'SEND_VERIFICATION_CODE_ERROR_TYPE_RATE_LIMITED', true), waitSeconds, begunAt);
      assert.equal(answer.sessionMetadata?.mayRequestSms, true);
    }
    assert.deepEqual(await published(), before);
    assert.equal((await sendInTime(id)).mayRequestSms, false);
    const spent = await send(id);
    assertError(spent, 'SEND_VERIFICATION_CODE_ERROR_TYPE_RATE_LIMITED', false);
    assert.equal(spent.sessionMetadata?.mayRequestVoiceCall, true);
    assert.equal((await messagesTo(system.ready.outboxUrl, `+${number}`)).length, 2);
  });

  it('refuses a call before an SMS, without a retry time', async () => {
    const { sessionId } = await create();
    const answer = await send(sessionId, voice);
    assertError(answer, 'SEND_VERIFICATION_CODE_ERROR_TYPE_RATE_LIMITED', false);
    assert.equal(answer.sessionMetadata?.mayRequestVoiceCall, false);
  });

  it('calls as soon as calls are allowed', async () => {
    const { id } = await sentSession();
    const early = await send(id, voice, patient);
    assertError(early, 'SEND_VERIFICATION_CODE_ERROR_TYPE_RATE_LIMITED', true);
    assert.ok(await sendInTime(id, voice));
  });

  it('returns RATE_LIMITED when the provider throttles', async () => {
    const { sessionId } = await create();
    const answer = await withFault({ mode: 'error500', providerCode: 20429 }, () => send(sessionId));
    assert.equal(assertError(answer, 'SEND_VERIFICATION_CODE_ERROR_TYPE_RATE_LIMITED', true), 60);
    assert.ok(answer.sessionMetadata);
  });

  it('allows calls at once for a number that cannot receive SMS, and sends it no more SMS', async () => {
    const { sessionId } = await create();
    const answer = await withFault({ mode: 'error400', providerCode: 21614 }, () => send(sessionId));
    assertError(answer, 'SEND_VERIFICATION_CODE_ERROR_TYPE_TRANSPORT_NOT_ALLOWED', false);
    assert.equal(answer.sessionMetadata?.mayRequestSms, false);
    assert.equal(answer.sessionMetadata?.mayRequestVoiceCall, true);
    assert.equal(answer.sessionMetadata?.nextVoiceCallSeconds, '0');
    assertError(await check(sessionId, '123456'), 'CHECK_VERIFICATION_CODE_ERROR_TYPE_NO_CODE_SENT', false);
  });

  it('counts a message that the provider rejects, allows calls after their wait, and returns the session', async () => {
    const { sessionId } = await create();
    const begunAt = Date.now();
    const answer = await withFault({ mode: 'error400', providerCode: 21610 }, () => send(sessionId, sms, patient));
    assertError(answer, 'SEND_VERIFICATION_CODE_ERROR_TYPE_SENDER_REJECTED', false);
    const { sessionMetadata: session } = answer;
    assert.equal(session?.mayRequestSms, true);
    assertLeft(session?.nextSmsSeconds ?? '', waitSeconds, begunAt);
    assert.equal(session?.mayRequestVoiceCall, true);
    assertLeft(session?.nextVoiceCallSeconds ?? '', waitSeconds, begunAt);
  });

  it('returns SUSPECTED_FRAUD when the provider suspects fraud', async () => {
    const { sessionId } = await create();
    const answer = await withFault({ mode: 'error400', providerCode: 30450 }, () => send(sessionId));
    assertError(answer, 'SEND_VERIFICATION_CODE_ERROR_TYPE_SUSPECTED_FRAUD', false);
    assert.ok(answer.sessionMetadata);
  });

  it('is unavailable while the provider is, charges nothing, and sends once on its own when the provider recovers', async () => {
    const { sessionId, e164 } = await create();
    await withFault({ mode: 'error500' }, async () => {
      await assert.rejects(send(sessionId), { code: status.UNAVAILABLE });
      await assert.rejects(send(sessionId), { code: status.UNAVAILABLE });
    });
    const code = await codeFor(system.ready.outboxUrl, `+${e164}`);
    assert.equal(metadataOf(await check(sessionId, code)).verified, true);
    assert.equal((await messagesTo(system.ready.outboxUrl, `+${e164}`)).length, 1);
  });

  it('sends one message for concurrent requests', async () => {
    const { sessionId, e164 } = await create();
    const answers = await Promise.all(Array.from({ length: 5 }, () => send(sessionId, sms, patient)));
    assert.equal(answers.filter(({ error }) => error === undefined).length, 1);
    assert.equal((await messagesTo(system.ready.outboxUrl, `+${e164}`)).length, 1);
  });
});

describe('SendVerificationCode without a configured provider', () => {
  let bare: RoleProcess;

  before(async () => {
    await system.kill('delivery');
    const env = Object.entries(system.processes.env('delivery')).filter(([name]) => !name.startsWith('TWILIO_'));
    bare = startRole('delivery', Object.fromEntries(env));
    await bare.until(isStarted);
  });
  after(async () => {
    bare.signal('SIGTERM');
    await bare.ended();
    await system.restart('delivery');
  });

  it('returns NO_SENDER_AVAILABLE with the session, and sends nothing', async () => {
    const number = newNumber();
    const { sessionId } = await create(number);
    const answer = await send(sessionId);
    assertError(answer, 'SEND_VERIFICATION_CODE_ERROR_NO_SENDER_AVAILABLE', false);
    assert.ok(answer.sessionMetadata);
    assert.equal((await messagesTo(system.ready.outboxUrl, `+${number}`)).length, 0);
  });
});

describe('CheckVerificationCode', () => {
  it('verifies the right code, also with dashes and spaces, and then allows no send and no check', async () => {
    const { id, code } = await sentSession();
    const { expirationSeconds, ...verified } = metadataOf(await check(id, ` ${code.slice(0, 3)}-${code.slice(3)} `));
    assert.deepEqual(
      [verified.verified, verified.mayRequestSms, verified.mayRequestVoiceCall, verified.mayCheckCode],
      [true, false, false, false],
    );
    assert.ok(Number(expirationSeconds) <= ttlSeconds);
    assert.equal(metadataOf(await read(id)).verified, true);
  });

  it('returns an unverified session without an error for a wrong or empty code', async () => {
    const { id, code } = await sentSession();
    assert.equal(metadataOf(await check(id, wrongCode(code))).verified, false);
    assert.equal(metadataOf(await check(id, '')).verified, false);
  });

  it('repeats a success for the right code only', async () => {
    const { id, code } = await sentSession();
    await check(id, code);
    assert.equal(metadataOf(await check(id, code)).verified, true);
    assert.equal(metadataOf(await check(id, wrongCode(code))).verified, false);
    assert.equal(metadataOf(await read(id)).verified, true);
  });

  it('compares nothing before a code was sent', async () => {
    const { sessionId } = await create();
    const answer = await check(sessionId, '123456');
    assertError(answer, 'CHECK_VERIFICATION_CODE_ERROR_TYPE_NO_CODE_SENT', false);
    assert.ok(answer.sessionMetadata);
  });

  it('refuses an early check without comparing, and requires a new code when the checks are used up', async () => {
    const { id, code } = await sentSession();
    const begunAt = Date.now();
    for (const difference of [1, 2]) metadataOf(await check(id, wrongCode(code, difference)));
    const early = await check(id, code);
    assertLeft(assertError(early, 'CHECK_VERIFICATION_CODE_ERROR_TYPE_RATE_LIMITED', true), waitSeconds, begunAt);
    assert.equal(early.sessionMetadata?.verified, false);
    assert.equal(early.sessionMetadata?.mayCheckCode, true);
    await ageCodes(id, waitSeconds);
    metadataOf(await check(id, wrongCode(code, 3)));
    const spent = await check(id, code);
    assertError(spent, 'CHECK_VERIFICATION_CODE_ERROR_TYPE_RATE_LIMITED', false);
    assert.equal(spent.sessionMetadata?.mayCheckCode, false);
    assert.equal(spent.sessionMetadata?.mayRequestSms, true);
  });

  it('restarts the count for a new code, and refuses the older code', async () => {
    const { id, number, code } = await sentSession();
    for (const difference of [1, 2]) await check(id, wrongCode(code, difference));
    await sendInTime(id);
    const newer = await codeFor(system.ready.outboxUrl, `+${number}`, 2);
    if (newer !== code) assert.equal(metadataOf(await check(id, code)).verified, false);
    assert.equal(metadataOf(await check(id, newer)).verified, true);
  });

  it('does not find an unknown session', async () => {
    const answer = await check(Buffer.alloc(16, 3), '123456');
    assertError(answer, 'CHECK_VERIFICATION_CODE_ERROR_TYPE_SESSION_NOT_FOUND', false);
    assert.equal(answer.sessionMetadata, undefined);
  });

  it('returns ATTEMPT_EXPIRED with the session when only the newest code has expired', async () => {
    const { id, code } = await sentSession();
    await ageCodes(id, ttlSeconds);
    const answer = await check(id, code);
    assertError(answer, 'CHECK_VERIFICATION_CODE_ERROR_TYPE_ATTEMPT_EXPIRED', false);
    assert.equal(answer.sessionMetadata?.mayCheckCode, false);
    assert.equal(answer.sessionMetadata?.mayRequestSms, true);
  });

  it('compares no more of 100 concurrent codes than a code has checks', async () => {
    const { id, code } = await sentSession();
    const codes = Array.from({ length: 100 }, (_, index) => wrongCode(code, index + 1));
    const answers = await Promise.all(codes.map((guess) => check(id, guess)));
    assert.equal(answers.filter(({ error }) => error === undefined).length, 2);
  });
});

describe('The workflow of a session', () => {
  it('starts with the first send and ends on its own, verified or not, with no code and no number in its id', async () => {
    const endOf = ({ id }: { id: Buffer }) =>
      behind.temporal.workflow.getHandle(`verification:${id.toString('hex')}`).result();
    // starts over if the machine paused for the whole lifetime of a session
    const left = eventually(async () => endOf(await sentSession(brief)));
    const proven = eventually(async () => {
      const session = await sentSession(brief);
      assert.equal(metadataOf(await check(session.id, session.code, brief)).verified, true);
      const end = await endOf(session);
      return end.isVerified ? end : undefined;
    });
    assert.deepEqual(await Promise.all([proven, left]), [{ isVerified: true }, { isVerified: false }]);
  });
});
