// @rerun never
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import ts from 'typescript';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { type ErasedPerson, erasePersonKeys } from '../../../adapters/redis/erasure.ts';
import {
  type FamilyName,
  type KeyFamily,
  keyFamilies,
  keys,
  type Owner,
  parseKey,
} from '../../../adapters/redis/keys.ts';
import { codePurposes } from '../../../domain/verification.ts';
import { roles } from '../../../platform/config/roles.ts';
import { newId } from '../../../platform/crypto.ts';
import { connectTestRedis } from '../../support/redis.ts';

const root = resolve(import.meta.dirname, '../../..');
const families = Object.entries(keyFamilies) as [FamilyName, KeyFamily][];
const read = (file: string) => readFileSync(join(root, file), 'utf8');

/** Builds a key of any family; ids that the family does not have are ignored. */
const build = (family: FamilyName, ids: Record<string, string>): string =>
  (keys[family] as (ids: Record<string, string>) => string)(ids);
const hashTag = (key: string) => /\{([^}]+)\}/.exec(key)?.[1] ?? key;

describe('the table of key families', () => {
  it('builds keys from which family and ids can be read again', () => {
    for (const [family, { key: template }] of families) {
      const names = [...template.matchAll(/<(\w+)>/g)].map(([, name = '']) => name);
      const ids = Object.fromEntries(names.map((name) => [name, newId()]));
      const key = build(family, ids);
      assert.deepEqual(parseKey(key), { family, ids }, key);
      assert.equal(
        key,
        template.replaceAll(/<(\w+)>/g, (_all, name: string) => ids[name] ?? ''),
      );
    }
    assert.equal(parseKey('unknown:1'), undefined);
    assert.equal(parseKey('audited'), undefined);
  });

  it('gives keys that one script or transaction uses the same hash tag', () => {
    const [id, purpose] = [newId(), 'verify'] as const;
    const together = [
      [keys.otp({ subject: id, purpose }), keys.verification({ subject: id, purpose })],
      [keys.verificationSession({ sessionId: id }), keys.verification({ subject: id, purpose })],
      [keys.registrationWarning({ userId: id }), keys.registrationWarned({ userId: id })],
      [keys.auditStream(), keys.auditHead(), keys.auditOnce(), keys.auditProducer({ producerId: id })],
      [keys.auditStream(), keys.auditDeadLetters()],
    ];
    for (const used of together) assert.equal(new Set(used.map(hashTag)).size, 1, used.join());
  });

  it('exempts only the audit log from the erasure of keys', () => {
    const exempt = families.filter(([, { personal }]) => personal === 'audit log').map(([family]) => family);
    assert.deepEqual(exempt, ['auditStream', 'auditDeadLetters']);
  });

  it('does not compile with a misspelt family or id, or with a personal family that erasure cannot find', () => {
    const row = { writers: ['api'], encrypted: 'no', life: { kept: 'always' } } as const;
    const wrong = {
      // @ts-expect-error the family is `session`
      family: () => keys.sesion({ sessionId: '1' }),
      // @ts-expect-error a session is not found by its user
      id: () => keys.session({ userId: '1' }),
      // @ts-expect-error an id is missing
      missing: () => keys.pinHold({ userId: '1' }),
      // @ts-expect-error not a purpose of codes
      purpose: () => keys.otp({ subject: '1', purpose: 'log-in' }),
    };
    const forgotten: Record<string, KeyFamily> = {
      // @ts-expect-error no way to find it
      nowhere: { ...row, key: 'x:<userId>', personal: 'yes' },
      // @ts-expect-error the user id is not in the key
      elsewhere: { ...row, key: 'x:<id>', personal: { userIdIn: 'key' } },
      // @ts-expect-error no owner has this id
      orphaned: { ...row, key: 'x:{<id>}', personal: { deletedWith: ['login'] } },
      // @ts-expect-error it never expires
      endless: { ...row, key: 'x:<id>', personal: { expires: 'it is encrypted' } },
    };
    assert.equal(Object.keys({ ...wrong, ...forgotten }).length, 8);
  });
});

/** Returns the texts of a source file, without module names. */
function textsOf(file: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) return;
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddle(node)) found.push(node.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true));
  return found;
}

describe('the stores in Redis, and the workers', () => {
  const prefixes = families.map(([, { key }]) => key.replace(/<.*/, '')).filter((prefix) => prefix.includes(':'));
  /** Names of hash fields that are followed by a number. */
  const fields = ['checks:'];
  const isKey = (text: string) =>
    !fields.includes(text) &&
    (/^[a-z][a-z-]*:\{?$|^\{(\w|$)|:\{$/.test(text) || prefixes.some((prefix) => text.startsWith(prefix)));

  it('build keys only in the table', () => {
    const stores = globSync('adapters/redis/*.ts', { cwd: root }).filter((file) => !file.endsWith('/keys.ts'));
    assert.ok(stores.length >= 15);
    const built = [...stores, ...globSync('workers/*.ts', { cwd: root })].flatMap((file) =>
      textsOf(file)
        .filter(isKey)
        .map((text) => `${file}: ${text}`),
    );
    assert.deepEqual(built, []);
    assert.ok(textsOf('adapters/redis/keys.ts').some(isKey));
  });

  it('use only the keys that a script receives', () => {
    for (const file of globSync('adapters/redis/*.lua', { cwd: root })) {
      const script = read(file).replaceAll(/--.*/g, '');
      // a channel is no key
      const calls = [...script.matchAll(/redis\.call\('(?!PUBLISH)\w+', (\w+)/g)].map(([, first]) => first);
      assert.ok(calls.length > 0, file);
      // `key` is an element of KEYS in a loop
      assert.deepEqual(
        calls.filter((first) => first !== 'KEYS' && first !== 'key'),
        [],
        file,
      );
    }
  });

  it('have in the table the lock of the role audit', () => {
    assert.equal(keys.auditRemoval(), '{audit}:removal');
    assert.match(read('workers/audit.ts'), /keys\.auditRemoval\(\)/);
  });
});

describe('erasePersonKeys()', () => {
  let redis: Redis;
  before(() => {
    redis = connectTestRedis();
  });
  after(() => redis.disconnect());

  /** Stores keys of every personal family, and returns the keys with their families. */
  async function everyKeyOf(person: ErasedPerson): Promise<Map<string, FamilyName>> {
    const ownerIds: Record<Owner, string> = { registration: newId(), login: newId() };
    const stored = new Map<string, FamilyName>();
    for (const [family, { personal }] of families) {
      for (const key of keysOf(family, personal, person, ownerIds)) {
        stored.set(key, family);
        await store(key, personal, person);
      }
    }
    return stored;
  }

  function keysOf(
    family: FamilyName,
    personal: KeyFamily['personal'],
    person: ErasedPerson,
    ownerIds: Record<Owner, string>,
  ): string[] {
    if (typeof personal === 'string' || 'expires' in personal) return [];
    const ids = { ...person, registrationId: ownerIds.registration, loginId: ownerIds.login };
    const others = { sessionId: newId(), linkId: newId(), tokenHash: newId(), channel: 'sms', limit: 'exports' };
    const owners = 'deletedWith' in personal ? personal.deletedWith : (['login'] as const);
    const subjects = owners.flatMap((owner) =>
      codePurposes.map((purpose) => ({ subject: ownerIds[owner], purpose, kind: purpose })),
    );
    return [...new Set(subjects.map((subject) => build(family, { ...ids, ...others, ...subject })))];
  }

  async function store(key: string, personal: KeyFamily['personal'], { userId }: ErasedPerson): Promise<unknown> {
    const place = typeof personal === 'object' && 'userIdIn' in personal ? personal.userIdIn : 'key';
    if (typeof place === 'object') return redis.hset(key, place.field, userId);
    return redis.set(key, place === 'key' ? '1' : JSON.stringify({ userId }));
  }

  async function countOf(keys: ReadonlyMap<string, unknown>): Promise<number> {
    const counts = await Promise.all([...keys.keys()].map((key) => redis.exists(key)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  it('deletes the keys of a user in every personal family, and no keys of others', async () => {
    const [ada, bob] = [0, 1].map(() => ({ userId: newId(), limitKey: newId() })) as [ErasedPerson, ErasedPerson];
    const [hers, his] = [await everyKeyOf(ada), await everyKeyOf(bob)];
    assert.ok(new Set(hers.values()).size >= 15);
    assert.equal(await erasePersonKeys(redis, ada), hers.size);
    assert.equal(await countOf(hers), 0);
    assert.equal(await countOf(his), his.size);
    assert.equal(await erasePersonKeys(redis, bob), his.size);
  });

  it('deletes a key of an unknown family that names the user', async () => {
    const person = { userId: newId(), limitKey: newId() };
    await redis.set(`of-an-older-version:${person.userId}`, '1');
    assert.equal(await erasePersonKeys(redis, person), 1);
  });
});

/** Returns the rows of the table in docs/operate.md. */
function documented(): string[] {
  return families.map(([, { key, writers, life, encrypted, personal }]) => {
    const parts = Array.isArray(encrypted) ? encrypted.map((field) => `\`${field}\``).join(', ') : encrypted;
    const by = writers.length === roles.length ? 'all' : writers.join(', ');
    return `| ${[`\`${key}\``, by, lifeIn(life), parts, foundBy(personal)].join(' | ')} |`;
  });
}

function lifeIn(life: KeyFamily['life']): string {
  if ('kept' in life) return `no TTL: ${life.kept}`;
  if ('until' in life) return `until ${life.until}`;
  const { seconds, after: since } = life;
  if (seconds > 86_400) return `${seconds / 86_400} days after ${since}`;
  if (seconds > 3600) return `${seconds / 3600} hours after ${since}`;
  return `${seconds / 60} minutes after ${since}`;
}

function foundBy(personal: KeyFamily['personal']): string {
  if (personal === 'no') return 'not personal';
  if (personal === 'audit log') return 'not deleted: audit log';
  if ('expires' in personal) return `expires: ${personal.expires}`;
  if ('limitKeyIn' in personal) return 'the limit key of the user; those of numbers and addresses expire';
  if ('deletedWith' in personal) return `the id of a found ${personal.deletedWith.join(' or ')}`;
  if (typeof personal.userIdIn === 'string') return `the user id in the ${personal.userIdIn}`;
  return `the user id in \`${personal.userIdIn.field}\``;
}

describe('the table of docs/operate.md', () => {
  it('has every key family as it is', () => {
    const section = read('docs/operate.md').split('## Keys in Redis\n')[1]?.split('\n## ')[0] ?? '';
    const rows = section.split('\n').filter((line) => line.startsWith('| `'));
    assert.deepEqual(rows, documented(), `Replace the rows by:\n${documented().join('\n')}`);
  });
});
