/**
 * A user of Redis for each role, with its keys, channels and commands and no others, from the table of key families. The
 * operator's user reads everything and writes nothing.
 *
 * A user has a set of permissions and further ones (selectors); a command needs one of them for all that it uses. So a role
 * that may delete one kind of key cannot delete another kind that it only appends to.
 * https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/
 */
import { createHash } from 'node:crypto';
import { directoryTriesLimit } from '../../domain/limits.ts';
import { smsNotificationLimit } from '../../domain/notifications.ts';
import { type Role, roles } from '../../platform/config/roles.ts';
import type { Secret } from '../../platform/config/secret.ts';
import { deriveKey } from '../../platform/crypto.ts';
import type { Redis } from './connect.ts';
import { type ChannelFamily, channelFamilies, type FamilyName, type KeyFamily, keyFamilies } from './keys.ts';

/** The users of Redis: one for each role, and that of the operator's tool. */
export const redisUsers = [...roles, 'operator'] as const;
/** A user of Redis. */
export type RedisUser = (typeof redisUsers)[number];

/** Some keys, and the commands that may use them. */
interface Permissions {
  commands: readonly string[];
  /** Patterns with their rights: `~` read and write, `%R~` read. */
  keys: readonly string[];
  channels?: readonly string[];
}

/** The commands that have no key: those of every connection, and of transactions and scripts. */
const ofConnections = ['ping', 'info', 'time', 'role', 'wait', 'select', 'client|setname'] as const;
const ofClusters = ['cluster|slots', 'cluster|shards', 'cluster|nodes', 'cluster|info', 'readonly'] as const;
const ofTransactions = ['multi', 'exec', 'discard', 'eval', 'evalsha'] as const;
const common = [...ofConnections, ...ofClusters, ...ofTransactions];

const reads = [
  ...['exists', 'get', 'ttl', 'pttl', 'hexists', 'hget', 'hgetall', 'hkeys', 'hmget', 'smembers'],
  ...['zcount', 'zrange', 'zrangebyscore', 'zrevrange', 'zscore', 'xlen', 'xrange', 'xrevrange'],
];
const writes = [
  ...['del', 'expire', 'pexpire', 'pexpireat', 'set', 'decrby', 'incrby', 'hdel', 'hincrby', 'hset', 'hsetnx'],
  ...['sadd', 'srem', 'zadd', 'zrem', 'zremrangebyrank', 'zremrangebyscore', 'xadd', 'xdel'],
];

/** What appends an event to the audit log, and removes none. */
const auditFamilies: readonly FamilyName[] = ['auditStream', 'auditHead', 'auditOnce', 'auditProducer'];
const auditing: Permissions = {
  commands: ['eval', 'evalsha', 'get', 'set', 'hget', 'hset', 'hincrby', 'xadd', 'xlen', 'zadd', 'zremrangebyscore'],
  keys: auditFamilies.map((family) => patternOf(keyFamilies[family].key)),
};
const readingAudit: Permissions = {
  commands: ['exists', 'hgetall', 'xlen', 'xrange', 'xinfo|groups'],
  keys: [...auditFamilies, 'auditDeadLetters' as const].map((family) => `%R${patternOf(keyFamilies[family].key)}`),
};

/** The hashes of the configuration of a role, which its processes replace at their start. */
const configuring = (role: Role): Permissions => ({ commands: ['get', 'set'], keys: [`~configuration:${role}`] });

/** What removes everything about a user: it deletes any key, and reads those that do not name their user. */
const erasing: readonly Permissions[] = [
  { commands: ['del'], keys: ['~*'] },
  {
    commands: ['get', 'hget'],
    keys: Object.values<KeyFamily>(keyFamilies).flatMap(({ key, personal }) =>
      typeof personal === 'object' && 'userIdIn' in personal && personal.userIdIn !== 'key'
        ? [`%R${patternOf(key)}`]
        : [],
    ),
  },
];

const limiting = ['pexpire', 'zadd', 'zcount', 'zrangebyscore', 'zrem', 'zremrangebyscore', 'zrevrange', 'zscore'];

/** The limits that a worker counts; it cannot change the others. */
const limitKeys = (...names: string[]) =>
  names.map((limit) => patternOf(keyFamilies.rateLimit.key.replace('<limit>', limit)));

/** The permissions of each user. The first ones have the commands without a key. */
const permissions: Record<RedisUser, readonly [Permissions, ...Permissions[]]> = {
  api: [servingOf('api'), auditing, readingAudit, configuring('api')],
  gateway: [servingOf('gateway'), auditing, configuring('gateway')],
  registration: [
    { ...servingOf('registration'), commands: [...common, ...reads, ...writes, 'publish', 'scan'] },
    auditing,
    readingAudit,
    configuring('registration'),
    ...erasing,
  ],
  directory: [
    { commands: [...common, 'get'], keys: ownKeys('directory', ['secret']) },
    { commands: ['eval', 'evalsha', ...limiting], keys: limitKeys(directoryTriesLimit) },
    beating('directory'),
    auditing,
    configuring('directory'),
  ],
  delivery: [
    {
      commands: [
        ...[...common, 'del', 'exists', 'expire', 'get', 'hdel', 'hexists', 'hget', 'hgetall', 'hset', 'hsetnx'],
        ...['pexpireat', 'set', 'zadd', 'zremrangebyscore'],
      ],
      keys: ownKeys('delivery', familiesOf('delivery', ['rateLimit'])),
    },
    {
      commands: ['eval', 'evalsha', ...limiting],
      keys: limitKeys('sends-per-number', smsNotificationLimit.name),
    },
    beating('delivery'),
    auditing,
    configuring('delivery'),
  ],
  signal: [
    { commands: [...common, 'hget'], keys: ownKeys('signal', ['signalStep']) },
    beating('signal'),
    auditing,
    configuring('signal'),
  ],
  audit: [
    {
      commands: [
        ...[...common, 'exists', 'hgetall', 'set', 'xack', 'xadd', 'xautoclaim', 'xdel', 'xgroup|create'],
        ...['xinfo|groups', 'xlen', 'xrange', 'xreadgroup'],
      ],
      keys: ownKeys('audit', ['auditStream', 'auditHead', 'auditDeadLetters', 'auditRemoval']),
    },
    { commands: ['rpush', 'ltrim', 'llen'], keys: ownKeys('audit', ['auditCheckpoints']) },
    beating('audit'),
    auditing,
    configuring('audit'),
  ],
  operator: [
    {
      commands: [...common, ...reads, 'scan', 'lrange', 'xinfo|groups', 'config|get', 'acl|getuser', 'acl|cat'],
      // scripts that read need it; no command of this user writes
      keys: ['~*'],
    },
  ],
};

/** The permissions of a process that serves clients, or hosts workflows. */
function servingOf(role: Role): Permissions {
  const families = Object.values<ChannelFamily>(channelFamilies);
  const ownChannels = families.filter(
    ({ publishers, listeners }) => publishers.includes(role) || listeners.includes(role),
  );
  return {
    commands: [...common, ...reads, ...writes, 'publish', 'subscribe', 'unsubscribe'],
    keys: [...ownKeys(role, familiesOf(role, [...auditFamilies, 'health'])), ...healthKeys(role)],
    channels: ownChannels.map(({ channel }) => globOf(channel)),
  };
}

/** Each process writes the heartbeats of its own role; the api reads those of all. */
function healthKeys(role: Role): string[] {
  return role === 'api' ? [patternOf(keyFamilies.health.key)] : [`~health:${role}`];
}

function beating(role: Role): Permissions {
  return { commands: ['hset', 'hdel'], keys: healthKeys(role) };
}

/** The families that a role uses, without some. */
function familiesOf(role: Role, without: readonly FamilyName[]): FamilyName[] {
  const apart: readonly FamilyName[] = [...without, ...auditFamilies, 'health', 'configuration'];
  return (Object.keys(keyFamilies) as FamilyName[]).filter((family) => {
    const { writers, readers = [] }: KeyFamily = keyFamilies[family];
    return !apart.includes(family) && (writers.includes(role) || readers.includes(role));
  });
}

/** The patterns of families, with the rights of a role by the table. */
function ownKeys(role: Role, families: readonly FamilyName[]): string[] {
  return families.map((family) => {
    const { key, writers }: KeyFamily = keyFamilies[family];
    return writers.includes(role) ? patternOf(key) : `%R${patternOf(key)}`;
  });
}

function patternOf(template: string): string {
  return `~${globOf(template)}`;
}

function globOf(template: string): string {
  return template.replaceAll(/<\w+>/g, '*');
}

/** Returns the rules of a user, without its password, in the syntax of an ACL file and of `ACL SETUSER`. */
export function rulesOf(user: RedisUser): string[] {
  const [root, ...selectors] = permissions[user];
  return ['resetchannels', '-@all', ...wordsOf(root), ...selectors.map((one) => `(-@all ${wordsOf(one).join(' ')})`)];
}

function wordsOf({ commands, keys, channels = [] }: Permissions): string[] {
  return [
    ...[...new Set(keys)],
    ...channels.map((channel) => `&${channel}`),
    ...[...new Set(commands)].map((command) => `+${command}`),
  ];
}

/** The name of the user that administrates Redis. */
export const redisAdministrator = 'default';

/**
 * Returns the ACL file: every user with the SHA-256 of its password, and the administrator, as `default`, who is a
 * stranger otherwise.
 *
 * @param older keys whose passwords are accepted too
 */
export function aclFile(root: Secret, older: readonly Secret[] = []): string {
  const passwordsOf = (user: RedisUser | typeof redisAdministrator) =>
    [root, ...older].map((key) => redisPassword(key, user));
  const lines = redisUsers.map((user) => lineOf(user, passwordsOf(user), rulesOf(user)));
  return `${[lineOf(redisAdministrator, passwordsOf(redisAdministrator), ['~*', '&*', '+@all']), ...lines].join('\n')}\n`;
}

function lineOf(user: string, passwords: readonly string[], rules: readonly string[]): string {
  const hashes = passwords.map((password) => `#${createHash('sha256').update(password).digest('hex')}`);
  return `user ${user} on ${[...hashes, ...rules].join(' ')}`;
}

/** Returns the password of a user: HKDF-SHA-256 (RFC 5869) of `REDIS_ACL_KEY`, 32 bytes as base64url. */
export function redisPassword(root: Secret, user: RedisUser | typeof redisAdministrator): string {
  return deriveKey(root, `redis ${user}`).toString('base64url');
}

/** Returns the URL of a server of Redis with a user and its password in place of those that it names. */
export function redisUrlOf(url: string, root: Secret, user: RedisUser | typeof redisAdministrator): string {
  const own = new URL(url);
  own.username = user;
  own.password = redisPassword(root, user);
  return own.href;
}

/** How a user of Redis differs from what its role needs; empty lists if it does not. */
export interface AclDifference {
  user: RedisUser;
  /** It does not exist, or is off. */
  isMissing: boolean;
  /** Rules that it needs and does not have, such as `+get` or `~session:*`. */
  lacks: string[];
  /** Rules that it has and should not have. */
  hasBesides: string[];
}

/**
 * Compares the users in Redis with what the roles need. Read-only.
 *
 * @throws {Error} NOPERM: the connection may not read the users
 */
export async function compareUsers(redis: Redis): Promise<AclDifference[]> {
  const categories = new Map<string, string[]>();
  const commandsIn = async (category: string): Promise<string[]> => {
    const known = categories.get(category);
    if (known !== undefined) return known;
    const found = (await redis.acl('CAT', category)) as unknown as string[];
    categories.set(category, found);
    return found;
  };
  return await Promise.all(
    redisUsers.map(async (user) => {
      const found = (await redis.acl('GETUSER', user)) as unknown;
      const stored = found === null ? undefined : fieldsIn(found);
      if (stored === undefined || !(stored.flags as string[]).includes('on')) {
        return { user, isMissing: true, lacks: [], hasBesides: [] };
      }
      const has = await sortedRules(stored, commandsIn);
      const needs = permissions[user].map((one) => new Set(wordsOf(one)));
      return { user, isMissing: false, ...differenceOf(needs, has) };
    }),
  );
}

/** The permissions that differ from each other are compared by what they have in sum. */
function differenceOf(needs: Set<string>[], has: Set<string>[]): Pick<AclDifference, 'lacks' | 'hasBesides'> {
  const signature = (words: Set<string>) => [...words].sort().join(' ');
  const known = new Set(has.map(signature));
  const wanted = new Set(needs.map(signature));
  const all = (sets: Set<string>[]) => new Set(sets.flatMap((words) => [...words]));
  const missing = needs.filter((words) => !known.has(signature(words)));
  const besides = has.filter((words) => !wanted.has(signature(words)));
  const without = (words: Set<string>, others: Set<string>) => [...words].filter((word) => !others.has(word)).sort();
  return {
    lacks: without(all(missing), all(besides)),
    hasBesides: without(all(besides), all(missing)),
  };
}

/** The answer of ACL GETUSER is a list of names and values, also for each selector. */
function fieldsIn(answer: unknown): Record<string, unknown> {
  const list = answer as unknown[];
  return Object.fromEntries(list.flatMap((name, at) => (at % 2 === 0 ? [[String(name), list[at + 1]]] : [])));
}

async function sortedRules(
  stored: Record<string, unknown>,
  commandsIn: (category: string) => Promise<string[]>,
): Promise<Set<string>[]> {
  const parts = [stored, ...(stored.selectors as unknown[]).map(fieldsIn)];
  return await Promise.all(
    parts.map(async ({ commands, keys, channels }) => {
      const own = await expand(String(commands), commandsIn);
      const patterns = [...wordsIn(keys), ...wordsIn(channels)].map((word) => word.replace(/^%RW~/, '~'));
      return new Set([...patterns, ...own]);
    }),
  );
}

function wordsIn(text: unknown): string[] {
  return String(text ?? '')
    .split(' ')
    .filter((word) => word !== '');
}

/** Redis may name several commands by their category. */
async function expand(rules: string, commandsIn: (category: string) => Promise<string[]>): Promise<Set<string>> {
  const allowed = new Set<string>();
  for (const word of wordsIn(rules)) {
    const [sign, name] = [word.slice(0, 1), word.slice(1)];
    if (name === '@all') {
      if (sign === '+') allowed.add('+@all');
      else allowed.clear();
      continue;
    }
    const names = name.startsWith('@') ? await commandsIn(name.slice(1)) : [name];
    for (const one of names) {
      if (sign === '+') allowed.add(`+${one}`);
      else allowed.delete(`+${one}`);
    }
  }
  return allowed;
}
