import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { ApplicationFailure, defaultPayloadConverter, type Payload } from '@temporalio/common';
import { loadDataConverter } from '@temporalio/common/lib/internal-non-workflow/data-converter-helpers.js';
import {
  decodeArrayFromPayloads,
  decodeOptionalFailureToOptionalError,
  encodeErrorToFailure,
  encodeToPayloads,
} from '@temporalio/common/lib/internal-non-workflow/index.js';
import { createPayloadCodec, createWorkflowCodec } from '../../../adapters/temporal/codec.ts';
import { createDataConverter } from '../../../adapters/temporal/connect.ts';
import { Secret } from '../../../platform/config/secret.ts';
import { createCipher } from '../../../platform/crypto.ts';
import { deriveKeys, parseKeyRing } from '../../../platform/keyring.ts';

const newRoot = () => new Secret(randomBytes(32).toString('base64'));
const codecOf = (current: Secret, older: Secret[] = []) => createPayloadCodec(createCipher('temporal', current, older));
const textOf = (bytes: Uint8Array | null | undefined) => Buffer.from(bytes ?? []).toString('latin1');

function payloadOf(value: unknown): Payload {
  return defaultPayloadConverter.toPayload(value);
}

describe('createWorkflowCodec()', () => {
  it('encrypts the result of a workflow that has none, whose bytes are an empty array in protobuf.js', async () => {
    const root = { current: newRoot() };
    const keys = parseKeyRing(deriveKeys('registration', { PAYLOAD_KEY: root, DATA_KEY: root, AUDIT_KEY: root }));
    const codec = createWorkflowCodec(keys);
    const none = { ...payloadOf(undefined), data: [] as unknown as Uint8Array };
    const decoded = await codec.decode(await codec.encode([none, payloadOf('text')]));
    assert.deepEqual(
      decoded.map((payload) => defaultPayloadConverter.fromPayload(payload)),
      [undefined, 'text'],
    );
  });
});

describe('createPayloadCodec()', () => {
  it('decrypts what it encrypted, with all metadata', async () => {
    const codec = codecOf(newRoot());
    const payloads = [
      payloadOf({ phone: '+12025550100' }),
      payloadOf('text'),
      payloadOf(undefined),
      payloadOf(randomBytes(9)),
    ];
    const decoded = await codec.decode(await codec.encode(payloads));
    assert.deepEqual(
      decoded.map((payload) => defaultPayloadConverter.fromPayload(payload)),
      payloads.map((payload) => defaultPayloadConverter.fromPayload(payload)),
    );
    assert.equal(textOf(decoded[0]?.metadata?.encoding), 'json/plain');
  });

  it('leaves only its own encoding name and the key id readable', async () => {
    const root = newRoot();
    const [encoded] = await codecOf(root).encode([payloadOf({ phone: '+12025550100', name: 'canary' })]);
    assert.deepEqual(Object.keys(encoded?.metadata ?? {}).sort(), ['encoding', 'encryption-key-id']);
    assert.equal(textOf(encoded?.metadata?.encoding), 'binary/encrypted');
    assert.equal(textOf(encoded?.metadata?.['encryption-key-id']), createCipher('temporal', root).keyId);
    for (const clear of ['canary', '2025550100', 'phone', 'json']) {
      assert.equal(textOf(encoded?.data).includes(clear), false, clear);
    }
  });

  it('encrypts the same value differently each time', async () => {
    const [one, other] = await codecOf(newRoot()).encode([payloadOf('same'), payloadOf('same')]);
    assert.notDeepEqual(one?.data, other?.data);
  });

  it('decrypts what older keys encrypted', async () => {
    const [old, current] = [newRoot(), newRoot()];
    const encoded = await codecOf(old).encode([payloadOf('from before')]);
    const [decoded] = await codecOf(current, [old]).decode(encoded);
    assert.equal(decoded && defaultPayloadConverter.fromPayload(decoded), 'from before');
    await assert.rejects(codecOf(current).decode(encoded), /No key [0-9a-f]{8} for temporal/);
  });

  it('passes through what it did not encrypt', async () => {
    const foreign = [payloadOf({ from: 'another program' }), { data: Buffer.from('bare') }, {}];
    assert.deepEqual(await codecOf(newRoot()).decode(foreign), foreign);
  });

  it('refuses changed or truncated payloads', async () => {
    const codec = codecOf(newRoot());
    const [encoded] = await codec.encode([payloadOf('secret')]);
    assert.ok(encoded?.data && encoded.metadata);
    const changed = Buffer.from(encoded.data);
    changed[20] = (changed[20] ?? 0) ^ 1;
    await assert.rejects(codec.decode([{ ...encoded, data: changed }]));
    await assert.rejects(codec.decode([{ ...encoded, data: encoded.data.subarray(0, 10) }]));
    await assert.rejects(
      codec.decode([{ metadata: { encoding: encoded.metadata.encoding ?? Buffer.of() } }]),
      /without key/,
    );
  });

  it('accepts an empty list', async () => {
    const codec = codecOf(newRoot());
    assert.deepEqual(await codec.encode([]), []);
    assert.deepEqual(await codec.decode([]), []);
  });
});

describe('createDataConverter()', () => {
  it('encrypts message, stack and details of failures, but not the failure code', async () => {
    const converter = loadDataConverter(createDataConverter(createPayloadCodec(createCipher('temporal', newRoot()))));
    const cause = new Error('canary-cause');
    const thrown = ApplicationFailure.create({
      message: 'canary-message',
      type: 'rate-limited',
      details: ['canary'],
      cause,
    });
    const failure = await encodeErrorToFailure(converter, thrown);
    assert.equal(JSON.stringify(failure).includes('canary'), false);
    assert.equal(Buffer.from(JSON.stringify(failure.encodedAttributes?.data)).includes('canary'), false);
    assert.equal(failure.applicationFailureInfo?.type, 'rate-limited');
    const decoded = (await decodeOptionalFailureToOptionalError(converter, failure)) as ApplicationFailure;
    assert.equal(decoded.message, 'canary-message');
    assert.deepEqual(decoded.details, ['canary']);
    assert.equal(decoded.cause?.message, 'canary-cause');
  });

  it('encrypts values sent to Temporal', async () => {
    const converter = loadDataConverter(createDataConverter(createPayloadCodec(createCipher('temporal', newRoot()))));
    const payloads = await encodeToPayloads(converter, { phone: '+12025550100' }, 'second');
    assert.equal(payloads?.length, 2);
    assert.equal(textOf(payloads?.[0]?.data).includes('2025550100'), false);
    assert.deepEqual(await decodeArrayFromPayloads(converter, payloads), [{ phone: '+12025550100' }, 'second']);
  });
});
