// @rerun never
/**
 * The step `signal` of a registration, at a fake Signal-Server that asks the gRPC server of the same system for the
 * proof of the number.
 */
import assert from 'node:assert/strict';
import { after, beforeEach, describe, it } from 'node:test';
import { deriveDevicePassword } from '../../platform/crypto.ts';
import { call, type RegistrationHandle, startRegistration } from '../support/client.ts';
import { setFault, untilHeld } from '../support/faults.ts';
import { readTemporal, search } from '../support/footprint.ts';
import { codeBy, must } from '../support/registrations.ts';
import { connectSignal, numbers } from '../support/signal-client.ts';
import { newLock, type SignalBody, signalBody, withWrongSignature } from '../support/signal-registration.ts';
import { eventually, until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const token = 'a-bearer-token-of-the-signal-server-1';
const { system, behind, url, outboxUrl, api } = await withSystem({
  REGISTRATION_STEPS: 'code,signal',
  GRPC_BEARER_TOKENS: `${token},another-bearer-token-that-nobody-uses`,
  SIGNAL_SESSION_SPACING: '0',
  OTP_RESEND_WAITS: '1',
});
const signal = connectSignal(system.ready.grpcAddress, { token });
after(() => signal.close());
const { signalServerUrl } = system.ready;
let people = 100;

beforeEach(() => setFault(outboxUrl, { channel: 'signal', mode: 'none' }));

const newPhone = () => `+447700900${people++}`;
const fail = (mode: string, providerCode?: string) =>
  setFault(outboxUrl, { channel: 'signal', mode, ...(providerCode !== undefined && { providerCode }) });
const submit = ({ id, token: registrationToken }: RegistrationHandle, body: SignalBody) =>
  api.submitSignal({ registrationId: id, token: registrationToken, body });
const read = async (registration: RegistrationHandle) => (await must(registration.call('GET', ''))).body;
const stepIn = (body: { steps: { name: string; status: string; reason?: string }[] }) =>
  body.steps.find(({ name }) => name === 'signal');
const metadataOf = (registrationId: string) =>
  signal.call('GetSessionMetadata', { sessionId: Buffer.from(registrationId, 'hex') });

/** A registration whose number is verified. */
async function verified(phone = newPhone()): Promise<RegistrationHandle> {
  const registration = await startRegistration(url, { phone });
  const { code } = await codeBy({ outboxUrl, to: phone }, () =>
    registration.call('POST', '/codes', { channel: 'sms' }),
  );
  await must(registration.call('PUT', '/code', { code }));
  return registration;
}

interface ServerAccount {
  uuid: string;
  pni: string;
  number: string;
  registrations: number;
}

/** The account of a number at the Signal-Server. */
async function accountAt(number: string): Promise<ServerAccount | undefined> {
  const answer = await fetch(`${signalServerUrl}/signal-server/accounts`);
  return ((await answer.json()) as ServerAccount[]).find((account) => account.number === number);
}

async function isCompleted(registration: RegistrationHandle): Promise<boolean> {
  return (await read(registration)).state === 'completed';
}

describe('PUT /registrations/{id}/signal', () => {
  it('registers the number at the Signal-Server, which asks the gRPC server for its proof', async () => {
    const phone = newPhone();
    const registration = await verified(phone);
    const { sessionMetadata: session } = await metadataOf(registration.id);
    assert.deepEqual([session?.verified, session?.e164], [true, phone.slice(1)]);
    assert.deepEqual(
      [session?.mayRequestSms, session?.mayRequestVoiceCall, session?.mayCheckCode],
      [false, false, false],
    );
    assert.ok(Number(session?.expirationSeconds) > 0);

    const body = signalBody();
    const answer = await must(submit(registration, body));
    const account = await accountAt(phone);
    assert.deepEqual(answer.body, { uuid: account?.uuid, pni: account?.pni, number: phone });
    assert.equal(account?.registrations, 1);
    assert.ok(await isCompleted(registration));

    const credentials = `${account?.uuid}:${deriveDevicePassword(registration.token)}`;
    const headers = { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
    const keys = await fetch(`${signalServerUrl}/v2/keys?identity=aci`, { headers });
    assert.deepEqual(await keys.json(), { count: 3, pqCount: 2 });

    // after the end the number is no session any more, and a repeat changes nothing
    assert.equal((await metadataOf(registration.id)).error?.errorType, 1);
    assert.deepEqual((await must(submit(registration, body))).body, answer.body);
    assert.equal((await accountAt(phone))?.registrations, 1);
    const other = await submit(registration, signalBody());
    assert.deepEqual([other.status, other.body.error_code], [409, 'CONFLICT']);
  });

  it('needs a code by SMS or call', async () => {
    const email = `person-${people++}@example.org`;
    const registration = await startRegistration(url, { phone: newPhone(), email });
    assert.deepEqual(stepIn(await read(registration)), { name: 'signal', status: 'blocked', reason: 'code-open' });
    const early = await submit(registration, signalBody());
    assert.deepEqual([early.status, early.body.error_code], [409, 'CONFLICT']);
    const { code } = await codeBy({ outboxUrl, to: email }, () =>
      registration.call('POST', '/codes', { channel: 'email' }),
    );
    await must(registration.call('PUT', '/code', { code }));
    const blocked = { name: 'signal', status: 'blocked', reason: 'number-not-verified' };
    assert.deepEqual(stepIn(await read(registration)), blocked);
    const { status, body } = await submit(registration, signalBody());
    assert.equal(status, 409);
    assert.equal((body as { reason?: string }).reason, 'number-not-verified');
    assert.equal((await metadataOf(registration.id)).error?.errorType, 1);
  });

  it('refuses a malformed body and names each field', async () => {
    const registration = await verified();
    const good = signalBody();
    const bad: [string, unknown][] = [
      ['sessionId', { ...good, sessionId: 'AAAA' }],
      ['accountAttributes.registrationId', signalBody({ attributes: { registrationId: 16_384 } })],
      ['accountAttributes.pniRegistrationId', signalBody({ attributes: { pniRegistrationId: 0 } })],
      ['accountAttributes.name', signalBody({ attributes: { name: Buffer.alloc(226).toString('base64') } })],
      ['accountAttributes.registrationLock', signalBody({ attributes: { registrationLock: 'a'.repeat(63) } })],
      ['accountAttributes.unidentifiedAccessKey', signalBody({ attributes: { unidentifiedAccessKey: null } })],
      ['accountAttributes.recoveryPassword', signalBody({ attributes: { recoveryPassword: 'AAAA' } })],
      ['aciIdentityKey', { ...good, aciIdentityKey: Buffer.alloc(33).toString('base64') }],
      ['pniSignedPreKey', { ...good, pniSignedPreKey: undefined }],
      ['aciPqLastResortPreKey.publicKey', { ...good, aciPqLastResortPreKey: good.aciSignedPreKey }],
      ['aciSignedPreKey.keyId', { ...good, aciSignedPreKey: { ...good.aciSignedPreKey, keyId: 2 ** 31 } }],
      ['', { ...good, apnToken: { apnRegistrationId: 'a' } }],
      ['', signalBody({ attributes: { fetchesMessages: false } })],
      ['totp', { ...good, totp: -1 }],
    ];
    for (const [path, body] of bad) {
      const answer = await registration.call('PUT', '/signal', body);
      assert.deepEqual([answer.status, answer.body.details?.[0]?.path], [400, path], JSON.stringify(answer.body));
    }
    assert.equal(await behind.redis.hexists(`signal:{${registration.id}}`, 'request'), 0);
    assert.equal(stepIn(await read(registration))?.status, 'open');
  });

  it('answers each refusal with its status, reason and advice, and stays open', async () => {
    const registration = await verified();
    const rows: [signalStatus: number, status: number, reason: string, retry: string][] = [
      [400, 409, 'session-refused', 'new-registration'],
      [401, 409, 'session-unknown', 'new-registration'],
      [403, 409, 'forbidden', 'never'],
      [409, 409, 'device-transfer-available', 'after-change'],
      [411, 409, 'device-limit', 'never'],
      [422, 422, 'keys-not-valid', 'after-change'],
      [423, 423, 'registration-lock', 'after-change'],
      [428, 409, 'challenge-required', 'after-change'],
      [429, 429, 'limited', 'later'],
      [440, 409, 'provider-refused', 'never'],
      [441, 409, 'totp-refused', 'after-change'],
      [498, 409, 'client-refused', 'never'],
      [499, 409, 'client-outdated', 'after-change'],
      [508, 409, 'client-refused', 'never'],
    ];
    const body = signalBody();
    for (const [signalStatus, status, reason, retry] of rows) {
      await fail('error400', String(signalStatus));
      const answer = await registration.call('PUT', '/signal', body);
      const { error_code, retry_after_seconds, request_id, error, ...fields } = answer.body;
      assert.deepEqual([answer.status, error_code], [status, 'SIGNAL_REFUSED'], reason);
      const locked = signalStatus === 423 ? { timeRemainingSeconds: 86_400 } : {};
      assert.deepEqual(fields, { signalStatus, reason, retry, ...locked });
      assert.equal(retry_after_seconds, signalStatus === 429 ? 30 : undefined);
      assert.equal(answer.headers.get('retry-after'), signalStatus === 429 ? '30' : null);
      assert.deepEqual(stepIn(await read(registration)), { name: 'signal', status: 'open', reason });
    }
    await fail('none');
    await must(submit(registration, body));
  });

  it('passes on what the Signal-Server finds: signatures, capability, transfer, lock and authenticator code', async () => {
    const phone = newPhone();
    const registrationLock = newLock();
    const first = await verified(phone);
    const refuse = async (registration: RegistrationHandle, body: SignalBody) => {
      const answer = await submit(registration, body);
      return `${answer.status} ${(answer.body as { reason?: string }).reason}`;
    };
    const good = signalBody({ attributes: { registrationLock, capabilities: { spqr: true, transfer: true } } });
    const badKey = withWrongSignature(good.pniSignedPreKey);
    assert.equal(await refuse(first, { ...good, pniSignedPreKey: badKey }), '422 keys-not-valid');
    assert.equal(await refuse(first, signalBody({ attributes: { capabilities: {} } })), '409 client-outdated');
    assert.equal(await accountAt(phone), undefined);
    const { body: account } = await must(submit(first, good));

    const second = await verified(phone);
    assert.equal(await refuse(second, signalBody()), '409 device-transfer-available');
    const replacing = { skipDeviceTransfer: true };
    assert.equal(await refuse(second, signalBody(replacing)), '423 registration-lock');
    const wrong = { registrationLock: newLock() };
    assert.equal(await refuse(second, signalBody({ ...replacing, attributes: wrong })), '423 registration-lock');
    const right = { registrationLock };
    assert.equal(
      await refuse(second, signalBody({ ...replacing, totp: 123_456, attributes: right })),
      '409 totp-refused',
    );
    // the last step: the account at the Signal-Server is the same, and the one here belongs to the first registration
    const last = await submit(second, signalBody({ ...replacing, attributes: right }));
    assert.equal(last.status, 409);
    assert.equal((await read(second)).reason, 'identity-taken');
    assert.equal((await accountAt(phone))?.uuid, account.uuid);
  });

  it('is refused when the one-time keys are, and done with better ones', async () => {
    const phone = newPhone();
    const registration = await verified(phone);
    const body = signalBody();
    const [key, ...keys] = body.aciPqPreKeys ?? [];
    assert.ok(key);
    const refused = await submit(registration, { ...body, aciPqPreKeys: [withWrongSignature(key), ...keys] });
    assert.equal(refused.status, 422);
    assert.equal((await read(registration)).state, 'pending');
    const { body: account } = await must(submit(registration, body));
    assert.equal((await accountAt(phone))?.uuid, account.uuid);
  });

  it('stores attributes, keys and password nowhere in plain text', async () => {
    const registration = await verified();
    const body = signalBody({ attributes: { registrationLock: newLock() } });
    await must(submit(registration, body));
    const { registrationLock, recoveryPassword, unidentifiedAccessKey } = body.accountAttributes;
    const temporal = await readTemporal(system, behind);
    const step = { signal: JSON.stringify(await behind.redis.hgetall(`signal:{${registration.id}}`)) };
    const secrets = [
      registrationLock,
      recoveryPassword,
      unidentifiedAccessKey,
      deriveDevicePassword(registration.token),
    ];
    for (const secret of secrets) {
      assert.ok(secret);
      assert.deepEqual(search({ ...temporal.stored, ...temporal.decoded, ...step }, secret), []);
    }
    assert.deepEqual(await behind.redis.hkeys(`signal:{${registration.id}}`), ['answer']);
  });
});

describe('A Signal-Server that is unavailable', () => {
  it('is waited for, and the registration completes on its own', async () => {
    const phone = newPhone();
    const registration = await verified(phone);
    const body = signalBody();
    await fail('error500');
    const waiting = await submit(registration, body);
    assert.deepEqual([waiting.status, waiting.body.error_code], [503, 'UNAVAILABLE']);
    const status = await read(registration);
    assert.deepEqual([status.state, status.waitingFor], ['waiting', 'signal']);
    assert.deepEqual(stepIn(status), { name: 'signal', status: 'waiting', reason: 'signal-unavailable' });
    // the proof is shown for as long as it waits
    assert.equal((await metadataOf(registration.id)).sessionMetadata?.verified, true);
    await fail('none');
    await until(() => isCompleted(registration));
    const account = await accountAt(phone);
    assert.deepEqual((await must(submit(registration, body))).body.uuid, account?.uuid);
    assert.equal(account?.registrations, 1);
  });

  it('registers the same account again after a lost answer', async () => {
    const phone = newPhone();
    const registration = await verified(phone);
    await fail('accept-then-drop');
    assert.equal((await submit(registration, signalBody())).status, 503);
    const { uuid } = await eventually(() => accountAt(phone));
    await fail('none');
    await until(() => isCompleted(registration));
    const account = await accountAt(phone);
    assert.equal(account?.uuid, uuid);
    assert.ok(account.registrations >= 2);
  });

  it('lets a newer request replace the one that waits', async () => {
    const phone = newPhone();
    const registration = await verified(phone);
    await fail('error500');
    assert.equal((await submit(registration, signalBody())).status, 503);
    await fail('none');
    const body = signalBody();
    const answer = await submit(registration, body);
    // the older one may have been faster
    if (answer.status !== 200) assert.equal(answer.status, 409);
    await until(() => isCompleted(registration));
    assert.ok(await accountAt(phone));
  });

  it('ends once when the worker is killed while the server registers', async () => {
    const phone = newPhone();
    const registration = await verified(phone);
    const body = signalBody();
    await fail('hold');
    const submitting = submit(registration, body);
    await untilHeld(outboxUrl, { channel: 'signal' });
    await system.kill('signal');
    const { uuid } = await eventually(() => accountAt(phone));
    await fail('none');
    await system.restart('signal');
    await submitting;
    await until(() => isCompleted(registration));
    assert.deepEqual((await must(submit(registration, body))).body.uuid, uuid);
  });
});

describe('The gRPC server, asked for a registration', () => {
  it('shows it only while its number is verified, and sends and checks no code', async () => {
    const started = await startRegistration(url, { phone: newPhone() });
    assert.equal((await metadataOf(started.id)).error?.errorType, 1);
    const registration = await verified();
    const sessionId = Buffer.from(registration.id, 'hex');
    const sent = await signal.call('SendVerificationCode', { sessionId, transport: numbers.MESSAGE_TRANSPORT_SMS });
    assert.equal(sent.error?.errorType, numbers.SEND_VERIFICATION_CODE_ERROR_TYPE_SESSION_NOT_FOUND);
    const checked = await signal.call('CheckVerificationCode', { sessionId, verificationCode: '123456' });
    assert.equal(checked.error?.errorType, numbers.CHECK_VERIFICATION_CODE_ERROR_TYPE_SESSION_NOT_FOUND);
    await must(registration.call('DELETE', ''), 204);
    assert.equal((await metadataOf(registration.id)).error?.errorType, 1);
  });

  it('answers nobody without a token', async () => {
    const stranger = connectSignal(system.ready.grpcAddress);
    const registration = await verified();
    const asked = stranger.call('GetSessionMetadata', { sessionId: Buffer.from(registration.id, 'hex') });
    await assert.rejects(asked, /UNAUTHENTICATED/);
    stranger.close();
  });
});

describe('Behind a Signal-Server', () => {
  it('verifies a number that its app registers there', async () => {
    const number = newPhone();
    const at = '/v1/verification/session';
    const created = await must(call(signalServerUrl, 'POST', at, { body: { number } }));
    const { id, requestedInformation, allowedToRequestCode, verified: isVerified } = created.body;
    assert.deepEqual([requestedInformation, allowedToRequestCode, isVerified], [['captcha'], false, false]);
    const session = `${at}/${id}`;
    const early = { transport: 'sms', client: 'ios' };
    assert.equal((await call(signalServerUrl, 'POST', `${session}/code`, { body: early })).status, 409);
    const captcha = 'noop.noop.registration.noop';
    const allowed = await must(call(signalServerUrl, 'PATCH', session, { body: { captcha } }));
    assert.equal(allowed.body.allowedToRequestCode, true);
    await must(call(signalServerUrl, 'POST', `${session}/code`, { body: early }));
    const code = await eventually(async () => {
      const messages = await fetch(`${outboxUrl}/messages?${new URLSearchParams({ to: number })}`);
      return ((await messages.json()) as { code?: string }[]).at(-1)?.code;
    });
    const checked = await must(call(signalServerUrl, 'PUT', `${session}/code`, { body: { code } }));
    assert.equal(checked.body.verified, true);
    const { aciPreKeys, aciPqPreKeys, ...attributes } = signalBody();
    const headers = { Authorization: `Basic ${Buffer.from(`${number}:password`).toString('base64')}` };
    const body = { ...attributes, sessionId: id, skipDeviceTransfer: true };
    const registered = await must(call(signalServerUrl, 'POST', '/v1/registration', { headers, body }));
    assert.equal(registered.body.number, number);
    assert.deepEqual([aciPreKeys?.length, aciPqPreKeys?.length], [3, 2]);
  });
});
