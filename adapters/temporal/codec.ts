/**
 * Payload encryption: Temporal stores inputs, results, details, summaries and failures encrypted with AES-256-GCM and a
 * key id. Names, ids and search attributes are not encrypted and must not contain personal data.
 */
import { METADATA_ENCODING_KEY, type Payload, type PayloadCodec } from '@temporalio/common';
import { decode, encode } from '@temporalio/common/lib/encoding.js';
import protoRoot from '@temporalio/proto';
import type { Cipher } from '../../platform/crypto.ts';

const { Payload: PayloadProto } = protoRoot.temporal.api.common.v1;
const encoding = 'binary/encrypted';
const keyIdField = 'encryption-key-id';

/** Creates the payload codec. Decoding leaves payloads unchanged that it did not encrypt. */
export function createPayloadCodec(cipher: Cipher): PayloadCodec {
  return {
    async encode(payloads) {
      return payloads.map((payload) => ({
        metadata: { [METADATA_ENCODING_KEY]: encode(encoding), [keyIdField]: encode(cipher.keyId) },
        data: cipher.encrypt(PayloadProto.encode(payload).finish()),
      }));
    },
    async decode(payloads) {
      return payloads.map((payload) => (isEncrypted(payload) ? open(cipher, payload) : payload));
    },
  };
}

function isEncrypted(payload: Payload): boolean {
  const name = payload.metadata?.[METADATA_ENCODING_KEY];
  return name !== undefined && name !== null && decode(name) === encoding;
}

function open(cipher: Cipher, payload: Payload): Payload {
  const keyId = payload.metadata?.[keyIdField];
  if (!keyId || !payload.data) throw new Error('Encrypted payload without key id or data');
  return PayloadProto.decode(cipher.decrypt(decode(keyId), payload.data)) as Payload;
}
