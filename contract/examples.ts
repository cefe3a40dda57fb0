/** Examples of fields, for the documentation. A test requires each operation to accept what is made of them. */

/** A public Curve25519 key of 33 bytes. */
const curveKey = 'BQe1HcSU/iOwrzXkzqyPmBYaPnZpvlZ6Ud9BRJ3SMCk2';
/** A public KEM key of 1,569 bytes: its type, then bytes that are no real key. */
const kemKey = `CA${'A'.repeat(2090)}`;
/** 32 bytes. */
const hash = 'o1u0PXmVqk5v8wEjYFqZc0hV5n5xv0b2m3l4k5j6h7g=';
/** 64 bytes. */
const signature = `${'q'.repeat(85)}w==`;
const id = '5b0c1f6e2d3a49788f7e6d5c4b3a2910';
const token = 'AmQ3kP0vX8sB2nW7yC5tZ1rF6hJ9dL4gE_uI-oMaTbc';

const signedPreKey = { keyId: 1, publicKey: curveKey, signature };
const pqLastResortPreKey = { keyId: 2, publicKey: kemKey, signature };

/** A body of the step `signal`. */
export const signalExample = {
  accountAttributes: {
    fetchesMessages: true,
    registrationId: 4711,
    pniRegistrationId: 815,
    unidentifiedAccessKey: 'q6urq6urq6urq6urq6urqw==',
  },
  aciIdentityKey: curveKey,
  pniIdentityKey: curveKey,
  aciSignedPreKey: signedPreKey,
  pniSignedPreKey: signedPreKey,
  aciPqLastResortPreKey: pqLastResortPreKey,
  pniPqLastResortPreKey: pqLastResortPreKey,
};

/**
 * By the name of a field, wherever it stands. An optional text or number that is not listed is left out of examples.
 */
export const examples: Readonly<Record<string, unknown>> = {
  // people
  fullName: 'Ada Lovelace',
  username: 'ada',
  identifier: 'ada',
  email: 'ada@example.org',
  phone: '+447700900101',
  locale: 'en-GB',
  groups: ['engineering'],
  roles: ['user'],
  // ids
  userId: 'e8dfcecc-7233-44a0-b803-e5cbddc4a21c',
  registrationId: id,
  loginId: id,
  sessionId: id,
  resetId: id,
  changeId: id,
  deletionId: id,
  linkId: id,
  deviceId: '1',
  linkedBy: '1',
  messageId: '1795190400000-0',
  messageIds: ['1795190400000-0'],
  clientMessageId: '0f8fad5b-d9cb-469f-a165-70867728950e',
  request_id: id,
  // secrets
  password: 'violet-harbour-engraves-93',
  currentPassword: 'violet-harbour-engraves-93',
  newPassword: 'copper-meadow-listens-27',
  pin: '528491',
  code: '482913',
  token,
  registrationToken: token,
  linkToken: token,
  deletionToken: token,
  accessToken: 'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhMWY0In0.c2lnbmF0dXJl',
  refreshToken: token,
  expiresInSeconds: 3600,
  refreshExpiresInSeconds: 604_800,
  // registrations and sessions
  state: 'pending',
  step: 'code',
  steps: [
    { name: 'code', status: 'open' },
    { name: 'credentials', status: 'blocked', reason: 'code' },
  ],
  attemptsLeft: 5,
  provider: 'altcha',
  challenge: { parameters: { algorithm: 'PBKDF2/SHA-256' }, signature: hash },
  ip: '203.0.113.7',
  userAgent: 'ExampleApp/1.0 (Android 16)',
  sessionsEnded: 2,
  // devices and keys
  name: 'Telephone',
  client: 'android',
  deviceName: 'Laptop',
  capabilities: {},
  identityKey: curveKey,
  keyId: 1,
  signature,
  signedPreKeyId: 1,
  pqLastResortPreKeyId: 2,
  count: 100,
  pqCount: 100,
  digest: hash,
  preKey: { keyId: 11, publicKey: curveKey },
  preKeys: [{ keyId: 11, publicKey: curveKey }],
  signedPreKey,
  pqPreKey: { keyId: 12, publicKey: kemKey, signature },
  pqPreKeys: [{ keyId: 12, publicKey: kemKey, signature }],
  pqLastResortPreKey,
  publicKey: curveKey,
  nonceHash: hash,
  nonce: hash,
  encapsulation: curveKey,
  sealedProvision: 'c2VhbGVkIGZvciB0aGUgbmV3IGRldmljZQ==',
  uri: `https://vyry.example/app/link#1.${id}.o1u0PXmVqk5v8wEjYFqZc0hV5n5xv0b2m3l4k5j6h7g`,
  place: 'London, United Kingdom',
  network: '203.0.113.0/24',
  // push
  p256dh: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
  auth: 'BTBZMqHH6r4Tts7J_aSIgg',
  endpoint: 'https://push.example.net/send/7f3a',
  topic: 'org.example.app',
  lastResult: 'accepted',
  status: 201,
  message: 'Created',
  // messages
  content: 'AQAAAAAAAAAA',
  bytes: 4096,
  // the account
  reason: 'step-up',
  action: 'login',
  outcome: 'success',
  notes: ['Messages are encrypted for a device and appear as counts.'],
  registrationIds: [id],
  // Signal
  uuid: '6c1b9f1e-2a4f-4c36-8a77-0c9f2c8d1e55',
  pni: '9d2e7c30-51b8-4a0b-b1a5-3f4e5d6c7b8a',
  number: '+447700900101',
  type: 'registration',
  id: `registration:${id}`,
  value: 'ada',
  // lists, and the system
  limit: '50',
  waitSeconds: '25',
  nextCursor: null,
  version: '1.0.0',
  service: 'vyry',
  latencyMs: 2,
  dependencies: { redis: { status: 'up', latencyMs: 1 } },
  kid: 'key-2026-11',
  x: 'JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs',
  'text/xml': '<Response><Say language="en-GB">Your code is: 4 8 2 9 1 3</Say></Response>',
  groupName: 'DELIVERED',
  speech: 'encrypted-by-vyry',
  of: 'encrypted-by-vyry',
  error: 'The code is wrong',
  error_code: 'INVALID_OTP',
};
