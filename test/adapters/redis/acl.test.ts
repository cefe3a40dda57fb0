// @rerun never
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import { aclFile, compareUsers, type RedisUser, redisUrlOf, redisUsers, rulesOf } from '../../../adapters/redis/acl.ts';
import { connectRedis, type Redis } from '../../../adapters/redis/connect.ts';
import { type ChannelFamily, channelFamilies, type KeyFamily, keyFamilies } from '../../../adapters/redis/keys.ts';
import { type Role, roles } from '../../../platform/config/roles.ts';
import type { Secret } from '../../../platform/config/secret.ts';
import { newAclKey, type OwnRedis, startOwnRedis } from '../../support/redis-servers.ts';

const aclKey = newAclKey();
let server: OwnRedis;
const connections: Redis[] = [];

before(async () => {
  server = await startOwnRedis({ aclKey });
});
after(async () => {
  for (const connection of connections) connection.disconnect();
  await server[Symbol.asyncDispose]();
});

function connectAs(user: RedisUser): Redis {
  const connection = connectRedis(redisUrlOf(server.engine.url, aclKey, user), () => undefined);
  connections.push(connection);
  return connection;
}

/** Returns whether a user may run a command, without running it. */
async function may(user: RedisUser, ...command: string[]): Promise<boolean> {
  const answer = (await server.redis.call('ACL', 'DRYRUN', user, ...command)) as string;
  return answer === 'OK';
}

/** Returns what a role may do with a key, whatever its type. */
async function rightOf(role: Role, key: string): Promise<'write' | 'read' | 'none'> {
  if ((await may(role, 'HSET', key, 'field', 'value')) || (await may(role, 'SET', key, 'value'))) return 'write';
  return (await may(role, 'HGET', key, 'field')) || (await may(role, 'GET', key)) ? 'read' : 'none';
}

function rightIn({ writers, readers = [] }: KeyFamily, role: Role): 'write' | 'read' | 'none' {
  if (writers.includes(role)) return 'write';
  return readers.includes(role) ? 'read' : 'none';
}

const families = Object.entries<KeyFamily>(keyFamilies);
const exampleOf = (template: string) => template.replaceAll(/<\w+>/g, '0123456789abcdef');
const auditFamilies = families.filter(([family]) => family.startsWith('audit'));

describe('the users of Redis', () => {
  it('write only the key families that the table gives to their role, and read no others', async () => {
    // the budget of SMS looks like a limit
    const apart = ['health', 'rateLimit', 'smsBudget', 'configuration'];
    for (const [family, row] of families.filter(([name]) => !apart.includes(name) && !name.startsWith('audit'))) {
      for (const role of roles) {
        const right = await rightOf(role, exampleOf(row.key));
        // the role `registration` reads, of others, the records that name their user, to erase them
        const isErasing = role === 'registration' && right === 'read';
        assert.equal(isErasing ? rightIn(row, role) : right, rightIn(row, role), `${role} ${family}`);
      }
    }
  });

  it('count only the limits of their role, beat only for it, and remove no events of the audit log', async () => {
    const limit = (name: string) => `ratelimit:{hash}:${name}`;
    assert.equal(await may('directory', 'ZADD', limit('directory-tries'), '1', 'a'), true);
    assert.equal(await may('delivery', 'ZADD', limit('sends-per-number'), '1', 'a'), true);
    for (const role of ['directory', 'delivery', 'signal', 'audit', 'registration'] as const) {
      assert.equal(await may(role, 'ZREM', limit('wrong-passwords'), 'a'), false, role);
      assert.equal(await may(role, 'HSET', 'health:api', 'a', 'b'), false, role);
      assert.equal(await may(role, 'HSET', `health:${role}`, 'a', 'b'), true, role);
      assert.equal(await may(role, 'SET', 'configuration:api', '{}'), false, role);
      assert.equal(await may(role, 'SET', `configuration:${role}`, '{}'), true, role);
    }
    for (const role of roles.filter((one) => one !== 'audit' && one !== 'registration')) {
      for (const [, { key }] of auditFamilies) {
        for (const remove of ['DEL', 'XDEL', 'XTRIM', 'ZREM'])
          assert.equal(
            await may(role, remove, exampleOf(key), ...({ XTRIM: ['MAXLEN', '0'], DEL: [] }[remove] ?? ['1'])),
            false,
            `${role} ${remove} ${key}`,
          );
      }
      assert.equal(await may(role, 'XADD', 'audit', '*', 'event', '{}'), true, role);
    }
  });

  it('use only the channels of their role', async () => {
    for (const { channel, publishers, listeners } of Object.values<ChannelFamily>(channelFamilies)) {
      for (const role of roles) {
        const users = [...publishers, ...listeners];
        assert.equal(await may(role, 'PUBLISH', exampleOf(channel), 'x'), users.includes(role), `${role} ${channel}`);
        const isListener = ['api', 'gateway'].includes(role) && users.includes(role);
        assert.equal(await may(role, 'SUBSCRIBE', exampleOf(channel)), isListener, `${role} ${channel}`);
      }
    }
    assert.equal(await may('api', 'PSUBSCRIBE', '*'), false);
  });

  it('administrate nothing', async () => {
    const forbidden = [
      ...[
        ['FLUSHALL'],
        ['FLUSHDB'],
        ['KEYS', '*'],
        ['DEBUG', 'SLEEP', '0'],
        ['CONFIG', 'SET', 'maxmemory', '1'],
        ['MONITOR'],
      ],
      ...[
        ['ACL', 'SETUSER', 'api', 'nopass'],
        ['REPLICAOF', 'h', '1'],
        ['SHUTDOWN'],
        ['SCRIPT', 'FLUSH'],
        ['CLIENT', 'KILL', 'h:1'],
      ],
      ...[
        ['RENAME', 'a', 'b'],
        ['MIGRATE', 'h', '1', 'k', '0', '1'],
        ['DUMP', 'a'],
        ['RESTORE', 'a', '0', 'x'],
        ['SORT', 'a'],
        ['BGREWRITEAOF'],
      ],
    ];
    for (const user of redisUsers) {
      for (const command of forbidden) assert.equal(await may(user, ...command), false, `${user} ${command.join(' ')}`);
    }
    for (const role of roles) assert.equal(await may(role, 'CONFIG', 'GET', 'requirepass'), false, role);
    for (const command of [
      ['SET', 'a', 'b'],
      ['HSET', 'session:a', 'b', 'c'],
      ['DEL', 'a'],
    ])
      assert.equal(await may('operator', ...command), false);
  });

  it('need their password', async () => {
    const strangers = [
      server.engine.url.replace(/\/\/.*@/, '//'),
      server.engine.url.replace(/\/\/.*@/, '//api:wrong@'),
    ];
    for (const url of strangers) {
      const stranger = connectRedis(url, () => undefined);
      await assert.rejects(stranger.get('session:a'), /NOAUTH|WRONGPASS/);
      stranger.disconnect();
    }
    await connectAs('audit').ping();
    await assert.rejects(connectAs('audit').hset('session:a', 'userId', 'ada'), /NOPERM/);
    await assert.rejects(connectAs('delivery').eval("return redis.call('GET', 'secret:a')", 0), /NOPERM|can't access/);
  });
});

describe('aclFile()', () => {
  it('accepts the passwords of earlier keys as well, until they are removed, and connections go on', async () => {
    const next = newAclKey();
    await using own = await startOwnRedis({ aclKey });
    const [, file = ''] = (await own.redis.config('GET', 'aclfile')) as [string, string];
    const as = (key: Secret) => {
      const connection = connectRedis(redisUrlOf(own.engine.url, key, 'api'), () => undefined);
      connections.push(connection);
      return connection;
    };
    const before = as(aclKey);
    await before.set('session:a', '1');
    await writeFile(file, aclFile(next, [aclKey]));
    await own.redis.acl('LOAD');
    await before.set('session:a', '2');
    assert.deepEqual(await Promise.all([aclKey, next].map((key) => as(key).get('session:a'))), ['2', '2']);
    await writeFile(file, aclFile(next));
    await as(next).ping();
    await own.redis.acl('LOAD');
    assert.equal(await as(next).get('session:a'), '2');
    await assert.rejects(as(aclKey).get('session:a'), /WRONGPASS/);
  });
});

describe('compareUsers()', () => {
  it('finds what a user lacks, what it may besides, and who is missing', async () => {
    const operator = connectAs('operator');
    for (const { isMissing, lacks, hasBesides } of await compareUsers(operator)) {
      assert.deepEqual([isMissing, lacks, hasBesides], [false, [], []]);
    }
    await server.redis.acl('SETUSER', 'signal', '-hget', '+flushall', '~session:*');
    await server.redis.acl('DELUSER', 'gateway');
    const found = (await compareUsers(operator)).filter((one) => one.isMissing || one.lacks.length > 0);
    assert.deepEqual(found, [
      { user: 'gateway', isMissing: true, lacks: [], hasBesides: [] },
      { user: 'signal', isMissing: false, lacks: ['+hget'], hasBesides: ['+flushall', '~session:*'] },
    ]);
    await assert.rejects(compareUsers(connectAs('api')), /NOPERM/);
  });
});

describe('rulesOf()', () => {
  it('has no right to everything', () => {
    for (const role of roles)
      assert.doesNotMatch(rulesOf(role).join(' ').replace('(-@all ~* +del)', ''), /\+@|allkeys|~\* /, role);
  });
});
