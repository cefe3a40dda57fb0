/**
 * Payload encryption: Temporal stores inputs, results, details, summaries and failures encrypted, with a key id. Names, ids and
 * search attributes are not encrypted and must not contain personal data.
 *
 * Payloads of workflows are encrypted with AES-256-GCM, by a key that the api and the role `registration` have. What only one
 * task queue reads, the input of an activity, is sealed to its role, and the result of the activity to those who read it.
 */
import { METADATA_ENCODING_KEY, type Payload, type PayloadCodec } from '@temporalio/common';
import { decode, encode } from '@temporalio/common/lib/encoding.js';
import protoRoot from '@temporalio/proto';
import { addressedTo } from '../../domain/addressed.ts';
import { type TemporalRole, temporalRoles } from '../../platform/config/roles.ts';
import type { Cipher } from '../../platform/crypto.ts';
import type { Box, BoxName, KeyRing } from '../../platform/keyring.ts';

const { Payload: PayloadProto } = protoRoot.temporal.api.common.v1;
const encoding = 'binary/encrypted';
const sealedEncoding = 'binary/sealed';
const keyIdField = 'encryption-key-id';
const boxField = 'encryption-box';

/** The roles that host activities and no workflows. */
type ActivityRole = Exclude<TemporalRole, 'registration'>;

/** Creates the codec of payloads of workflows. Decoding leaves payloads unchanged that it did not encrypt. */
export function createPayloadCodec(cipher: Cipher): PayloadCodec {
  return {
    async encode(payloads) {
      return payloads.map((payload) => encrypted(cipher, payload));
    },
    async decode(payloads) {
      return payloads.map((payload) => (isEncoded(payload, encoding) ? decrypted(cipher, payload) : payload));
    },
  };
}

/**
 * Creates the codec of clients and of the role that hosts workflows, with the boxes that they have.
 *
 * @param options.isShown shows in place of what is sealed to another role to which one it is, instead of failing
 */
export function createWorkflowCodec(keys: KeyRing, { isShown = false }: { isShown?: boolean } = {}): PayloadCodec {
  const cipher = keys.cipher('temporal');
  const boxes = new Map<string, Box>();
  for (const name of keys.purposes.flatMap((purpose) => /^((?:input|result)-\w+)\+psk$/.exec(purpose)?.[1] ?? [])) {
    boxes.set(name, keys.box(name as BoxName));
  }
  const openable = new Set([...boxes.keys()].filter((name) => keys.purposes.includes(`${name}+open`)));
  const opened = (payload: Payload): Payload => {
    if (isEncoded(payload, encoding)) return decrypted(cipher, payload);
    if (!isEncoded(payload, sealedEncoding)) return payload;
    const name = boxNameOf(payload);
    return isShown && !openable.has(name) ? shown(name) : unsealed(boxes, payload);
  };
  return {
    async encode(payloads) {
      return payloads.map((payload) => {
        const addressed = addressedTo(payload.data);
        const box = addressed && boxes.get(`input-${addressed.queue}`);
        if (addressed === undefined || box === undefined) return encrypted(cipher, payload);
        return sealed(`input-${addressed.queue}`, box, { ...payload, data: addressed.data });
      });
    },
    async decode(payloads) {
      return payloads.map(opened);
    },
  };
}

/** Creates the codec of a role that hosts activities: it opens their inputs, and seals their results. */
function createActivityCodec(role: ActivityRole, keys: KeyRing): PayloadCodec {
  const inputs = new Map([[`input-${role}`, keys.box(`input-${role}`)]]);
  const results = keys.box(`result-${role}`);
  return {
    async encode(payloads) {
      return payloads.map((payload) => sealed(`result-${role}`, results, payload));
    },
    async decode(payloads) {
      return payloads.map((payload) => (isEncoded(payload, sealedEncoding) ? unsealed(inputs, payload) : payload));
    },
  };
}

/** Creates the codec of a role. */
export function createCodecOf(role: TemporalRole | 'api' | 'gateway', keys: KeyRing): PayloadCodec {
  const own = temporalRoles.find((known) => known === role);
  return own === undefined || own === 'registration' ? createWorkflowCodec(keys) : createActivityCodec(own, keys);
}

function isEncoded(payload: Payload, wanted: string): boolean {
  const name = payload.metadata?.[METADATA_ENCODING_KEY];
  return name !== undefined && name !== null && decode(name) === wanted;
}

function encrypted(cipher: Cipher, payload: Payload): Payload {
  return {
    metadata: { [METADATA_ENCODING_KEY]: encode(encoding), [keyIdField]: encode(cipher.keyId) },
    data: cipher.encrypt(PayloadProto.encode(payload).finish()),
  };
}

function decrypted(cipher: Cipher, payload: Payload): Payload {
  const keyId = payload.metadata?.[keyIdField];
  if (!keyId || !payload.data) throw new Error('Encrypted payload without key id or data');
  return PayloadProto.decode(cipher.decrypt(decode(keyId), payload.data)) as Payload;
}

function sealed(name: string, box: Box, payload: Payload): Payload {
  const { keyId, sealed: data } = box.seal(PayloadProto.encode(payload).finish(), name);
  return {
    metadata: {
      [METADATA_ENCODING_KEY]: encode(sealedEncoding),
      [keyIdField]: encode(keyId),
      [boxField]: encode(name),
    },
    data,
  };
}

function boxNameOf({ metadata }: Payload): string {
  const named = metadata?.[boxField];
  return named ? decode(named) : '';
}

function shown(name: string): Payload {
  const text = JSON.stringify(`sealed to the role ${name.replace(/^.*-/, '')}`);
  return { metadata: { [METADATA_ENCODING_KEY]: encode('json/plain') }, data: encode(text) };
}

function unsealed(boxes: ReadonlyMap<string, Box>, payload: Payload): Payload {
  const { [keyIdField]: keyId, [boxField]: named } = payload.metadata ?? {};
  if (!keyId || !named || !payload.data) throw new Error('Sealed payload without key id, box or data');
  const name = decode(named);
  const box = boxes.get(name);
  if (box === undefined) throw new Error(`This role does not open ${name}`);
  return PayloadProto.decode(box.open(decode(keyId), payload.data, name)) as Payload;
}
