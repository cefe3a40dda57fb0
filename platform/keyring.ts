/**
 * The keys of a process: one for each purpose that its role has, and no others. The operator derives them from the root
 * keys with HKDF (RFC 5869); a process gets them as `KEYS` and never has a root key, so a stolen one opens only what its
 * role opens.
 *
 * Terminology
 * - purpose: what a key is for. A value made for one purpose is not valid for another.
 * - box: a purpose with an X25519 key pair. Sealers have the public key, openers the private one.
 * - current key: the first one of a purpose. It encrypts, signs and seals; the others only decrypt, verify and open.
 */
import type { KeyObject } from 'node:crypto';
import { type Role, roles } from './config/roles.ts';
import type { Secret } from './config/secret.ts';
import {
  type Cipher,
  cipherOf,
  createRecordMac,
  type DerivedKey,
  deriveKey,
  keyIdOf,
  type RecordMac,
} from './crypto.ts';
import { derivePrivateKey, open, publicBytesOf, readPublicKey, seal } from './hpke.ts';

/** The root keys. Only the operator has them. */
export const rootNames = ['PAYLOAD_KEY', 'DATA_KEY', 'AUDIT_KEY'] as const;
/** A root key. */
export type RootName = (typeof rootNames)[number];

/** A root key with those that are used beside it while it changes. */
interface Root {
  current: Secret;
  /** Earlier ones, which still open. */
  older?: readonly Secret[];
  /** The one that will be the current one next, which already opens. */
  next?: Secret | undefined;
}

/** The root keys of an installation. */
export type Roots = Readonly<Record<RootName, Root>>;

const serving = ['api', 'gateway'] as const satisfies Role[];
const allTemporal = ['api', 'gateway', 'registration', 'directory', 'delivery', 'signal'] as const satisfies Role[];

/** The purposes of keys that are shared by their holders: the root key, and the roles that have it. */
export const keyPurposes = {
  /** Payloads of workflows. */
  temporal: { root: 'PAYLOAD_KEY', roles: ['api', 'gateway', 'registration'] },
  trace: { root: 'PAYLOAD_KEY', roles: allTemporal },
  /** Authenticates sessions and refresh tokens. */
  session: { root: 'PAYLOAD_KEY', roles: serving },
  /** Authenticates what is common to the sessions of a user. */
  person: { root: 'PAYLOAD_KEY', roles: ['api', 'gateway', 'registration'] },
  refresh: { root: 'PAYLOAD_KEY', roles: ['api'] },
  /** What the api encrypts for itself. */
  secret: { root: 'PAYLOAD_KEY', roles: ['api'] },
  facts: { root: 'PAYLOAD_KEY', roles: ['api'] },
  idempotency: { root: 'PAYLOAD_KEY', roles: serving },
  captcha: { root: 'PAYLOAD_KEY', roles: ['api'] },
  operator: { root: 'PAYLOAD_KEY', roles: ['api'] },
  code: { root: 'PAYLOAD_KEY', roles: ['api', 'delivery'] },
  /** Codes, recovery tokens and tokens of push providers, which the role encrypts for itself. */
  delivery: { root: 'PAYLOAD_KEY', roles: ['delivery'] },
  speech: { root: 'PAYLOAD_KEY', roles: ['api', 'delivery'] },
  'delivery-report': { root: 'PAYLOAD_KEY', roles: ['api', 'delivery'] },
  'registration-stop': { root: 'PAYLOAD_KEY', roles: ['delivery'] },
  /** The numbers of verification sessions. */
  verification: { root: 'PAYLOAD_KEY', roles: ['api', 'registration'] },
  /** The numbers and answers of the step `signal`. */
  signal: { root: 'PAYLOAD_KEY', roles: ['api', 'registration'] },
  limit: { root: 'PAYLOAD_KEY', roles: ['api', 'gateway', 'registration', 'directory', 'delivery'] },
  field: { root: 'DATA_KEY', roles: ['api', 'registration'] },
  identity: { root: 'DATA_KEY', roles: ['api', 'registration'] },
  pepper: { root: 'DATA_KEY', roles: ['api', 'registration'] },
  push: { root: 'DATA_KEY', roles: ['api', 'registration'] },
  deletion: { root: 'DATA_KEY', roles: ['api'] },
  pseudonym: { root: 'AUDIT_KEY', roles },
  /** Hashes of the configuration, in which its secrets cannot be guessed. */
  configuration: { root: 'AUDIT_KEY', roles },
  audit: { root: 'AUDIT_KEY', roles },
} as const satisfies Record<string, { root: RootName; roles: readonly Role[] }>;

/** A purpose of keys. */
export type KeyPurpose = keyof typeof keyPurposes;

/**
 * The purposes of keys for hashes that are looked up, and kept for a while only. Every process uses the earliest key, so that all
 * of them find the same, and the hashes change once: when the earlier key is removed.
 */
const lastingPurposes = [
  'limit',
  'idempotency',
  'operator',
  'captcha',
  'registration-stop',
  'configuration',
] as const satisfies KeyPurpose[];
type LastingPurpose = (typeof lastingPurposes)[number];

/** The boxes: who seals, and who opens. */
export const boxes = {
  /** One-time secrets of the directory: passwords. */
  'secret-directory': { sealers: ['api'], openers: ['directory'] },
  /** One-time secrets of accounts: passwords and PINs, and their hashes. */
  'secret-registration': { sealers: ['api'], openers: ['registration'] },
  /** Requests to register at a Signal-Server. */
  'secret-signal': { sealers: ['api'], openers: ['signal'] },
  /** The inputs of activities, by the task queue that has them. */
  'input-directory': { sealers: ['registration'], openers: ['directory'] },
  'input-delivery': { sealers: ['registration'], openers: ['delivery'] },
  'input-signal': { sealers: ['registration'], openers: ['signal'] },
  /** Their results. The api opens them for operators. */
  'result-directory': { sealers: ['directory'], openers: ['registration', 'api'] },
  'result-delivery': { sealers: ['delivery'], openers: ['registration', 'api'] },
  'result-signal': { sealers: ['signal'], openers: ['registration', 'api'] },
} as const satisfies Record<string, { sealers: readonly Role[]; openers: readonly Role[] }>;

/** A box. */
export type BoxName = keyof typeof boxes;

/** Seals texts and bytes to the openers of a box, and opens them. `context` is what a message belongs to, such as its key. */
export interface Box {
  seal(plain: Uint8Array, context: string): { keyId: string; sealed: Uint8Array };
  /** @throws {Error} the key is unknown, or the message was changed or belongs to another context */
  open(keyId: string, sealed: Uint8Array, context: string): Uint8Array;
  sealText(plain: string, context: string): string;
  /** @throws {Error} as `open` */
  openText(sealed: string, context: string): string;
}

/** The keys of a process. Every function throws for a purpose that its role does not have. */
export interface KeyRing {
  /** The purposes of its keys, sorted. */
  readonly purposes: readonly string[];
  /** The current key of a purpose. */
  key(purpose: KeyPurpose): Buffer;
  /** Every key of a purpose, the current one first. */
  keys(purpose: KeyPurpose): readonly [DerivedKey, ...DerivedKey[]];
  /**
   * The earliest key of a purpose: for hashes that are looked up, such as those of limits. So a new current key changes none, and
   * they change when the earlier key is removed.
   */
  lasting(purpose: LastingPurpose): Buffer;
  cipher(purpose: KeyPurpose): Cipher;
  mac(purpose: KeyPurpose): RecordMac;
  box(name: BoxName): Box;
}

/** Returns every key of a purpose, the current one first. */
export function keysIn(ring: KeyRing, purpose: KeyPurpose): readonly [Buffer, ...Buffer[]] {
  const [current, ...older] = ring.keys(purpose);
  return [current.key, ...older.map(({ key }) => key)];
}

type Holder = Role | 'operator';

/** Returns the purposes whose keys a role has; `+seal`, `+open` and `+psk` are the parts of a box. */
export function purposesOf(holder: Holder): string[] {
  const shared = Object.entries(keyPurposes).flatMap(([purpose, { roles: holders }]) =>
    isIn(holders, holder) ? [purpose] : [],
  );
  const parts = Object.entries(boxes).flatMap(([name, { sealers, openers }]) => [
    ...(isIn(sealers, holder) ? [`${name}+seal`] : []),
    ...(isIn(openers, holder) ? [`${name}+open`] : []),
    ...(isIn(sealers, holder) || isIn(openers, holder) ? [`${name}+psk`] : []),
  ]);
  return [...shared, ...parts].sort();
}

function isIn(holders: readonly Role[], holder: Holder): boolean {
  return holder === 'operator' || holders.includes(holder);
}

/** Derives the keys of a role from the root keys that are given, as the text of `KEYS`: `purpose.keyId.key`, separated by spaces. */
export function deriveKeys(holder: Holder, roots: Roots): string {
  return purposesOf(holder)
    .filter((purpose) => roots[rootOf(purpose)] !== undefined)
    .flatMap((purpose) =>
      rootsFor(purpose, roots[rootOf(purpose)]).map(
        (root) => `${purpose}.${keyIdOf(root)}.${partOf(root, purpose).toString('base64url')}`,
      ),
    )
    .join(' ');
}

function rootsFor(purpose: string, { current, older = [], next }: Root): Secret[] {
  const isLasting = (lastingPurposes as readonly string[]).includes(purpose);
  return [current, ...older, ...(next === undefined || isLasting ? [] : [next])];
}

/** Returns the root key of a purpose. */
export function rootOf(purpose: string): RootName {
  return purpose in keyPurposes ? keyPurposes[purpose as KeyPurpose].root : 'PAYLOAD_KEY';
}

function partOf(root: Secret, purpose: string): Buffer {
  const [name = '', part] = purpose.split('+');
  if (part === undefined) return deriveKey(root, name as KeyPurpose);
  const seed = deriveKey(root, `box ${name}${part === 'psk' ? ' psk' : ''}`);
  return part === 'seal' ? publicBytesOf(derivePrivateKey(seed)) : seed;
}

/** Reads the text of `KEYS`. @throws {RangeError} it has another form; the message has no part of a key */
export function parseKeyRing(text: string): KeyRing {
  const found = new Map<string, DerivedKey[]>();
  for (const item of text.split(/[\s,]+/).filter((one) => one !== '')) {
    const [purpose = '', id = '', encoded = '', ...more] = item.split('.');
    const key = Buffer.from(encoded, 'base64url');
    if (more.length > 0 || !/^[\w+-]+$/.test(purpose) || !/^[0-9a-f]{8}$/.test(id) || key.length !== 32) {
      throw new RangeError('must be keys as `vyry keys roles` prints them');
    }
    found.set(purpose, [...(found.get(purpose) ?? []), { id, key }]);
  }
  return ringOf(found);
}

function ringOf(found: ReadonlyMap<string, readonly DerivedKey[]>): KeyRing {
  const keysOf = (purpose: string): readonly [DerivedKey, ...DerivedKey[]] => {
    const [current, ...older] = found.get(purpose) ?? [];
    if (current === undefined) throw new Error(`This role has no key for ${purpose}`);
    return [current, ...older];
  };
  return {
    purposes: [...found.keys()].sort(),
    keys: keysOf,
    key: (purpose) => keysOf(purpose)[0].key,
    lasting: (purpose) => (keysOf(purpose).at(-1) as DerivedKey).key,
    cipher: (purpose) => cipherOf(keysOf(purpose), purpose),
    mac: (purpose) => createRecordMac(keysOf(purpose)),
    box: (name) => boxOf(name, found, keysOf),
  };
}

function boxOf(
  name: BoxName,
  found: ReadonlyMap<string, readonly DerivedKey[]>,
  keysOf: (purpose: string) => readonly [DerivedKey, ...DerivedKey[]],
): Box {
  const psks = new Map(keysOf(`${name}+psk`).map(({ id, key }) => [id, key]));
  const publicKeys = (found.get(`${name}+seal`) ?? []).map(({ id, key }) => ({ id, key: readPublicKey(key) }));
  const privateKeys = new Map<string, KeyObject>(
    (found.get(`${name}+open`) ?? []).map(({ id, key }) => [id, derivePrivateKey(key)]),
  );
  const info = Buffer.from(`vyry ${name}`);
  const contextOf = (keyId: string, context: string) => {
    const psk = psks.get(keyId);
    if (psk === undefined) throw new Error(`No key ${keyId} for ${name}`);
    return { psk, pskId: Buffer.from(keyId), info, aad: Buffer.from(context) };
  };
  const box: Box = {
    seal(plain, context) {
      const [current] = publicKeys;
      if (current === undefined) throw new Error(`This role cannot seal to ${name}`);
      return { keyId: current.id, sealed: seal(current.key, plain, contextOf(current.id, context)) };
    },
    open(keyId, sealed, context) {
      const privateKey = privateKeys.get(keyId);
      if (privateKey === undefined) throw new Error(`No key ${keyId} to open ${name}`);
      return open(privateKey, sealed, contextOf(keyId, context));
    },
    sealText(plain, context) {
      const { keyId, sealed } = box.seal(Buffer.from(plain), context);
      return `${keyId}.${Buffer.from(sealed).toString('base64url')}`;
    },
    openText(sealed, context) {
      const [keyId = '', body = ''] = sealed.split('.');
      return Buffer.from(box.open(keyId, Buffer.from(body, 'base64url'), context)).toString();
    },
  };
  return box;
}
