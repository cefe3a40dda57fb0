/**
 * Every key family in Redis: how its keys are made, who writes them, how long they live, what is encrypted in them and
 * how those of a user are found when the user is erased. No other file builds a key.
 *
 * In the template of a key, `<…>` is an id. Text in braces is the hash tag of Redis Cluster: keys with the same hash tag
 * are on the same node, so that one script may use them. Without braces the whole key is the hash tag.
 */
import type { MessageKind } from '../../domain/providers.ts';
import { type CodePurpose, codePurposes } from '../../domain/verification.ts';
import { type Role, roles } from '../../platform/config/roles.ts';

/** The keys expire: after a time, or at an instant that depends on the record. */
type Expiry = { seconds: number; after: string } | { until: string };

/** How long the keys of a family live. `kept`: they have no TTL; the text names what bounds them. */
type Life = Expiry | { kept: string };

/** The families under whose ids other personal keys are stored. */
export type Owner = 'registration' | 'login';

/**
 * Whether the keys of a family are personal, and how those of a user are found. Each way to find them requires a
 * template that has the id, so a personal family that erasure cannot find does not compile.
 */
type Personal =
  | { personal: 'no'; life: Life }
  /** The user id is in the key. */
  | { personal: { userIdIn: 'key' }; key: `${string}<userId>${string}`; life: Life }
  /** The user id is the value or in its JSON, or it is so in a field of the hash. */
  | { personal: { userIdIn: 'value' | { field: string } }; life: Life }
  /** The hash tag is the key that the limits of the user are counted by. */
  | { personal: { limitKeyIn: 'key' }; key: `${string}{<limitKey>}${string}`; life: Life }
  /** A key of an owner has the same hash tag. */
  | {
      personal: { deletedWith: readonly [Owner, ...Owner[]] };
      key: `${string}{<registrationId>}` | `${string}{<subject>}:<purpose>` | `${string}{<subject>}:<kind>`;
      life: Life;
    }
  /** Nobody can attribute the keys to a user, for this reason. They must expire. */
  | { personal: { expires: string }; life: Expiry }
  /** Events of the audit log: they are rewritten in Elasticsearch once they are there, or an operator deletes them. */
  | { personal: 'audit log'; key: 'audit' | `{audit}:${string}`; life: Life };

/** A key family. */
export type KeyFamily = {
  /** The template of its keys. */
  key: string;
  /** The roles that write or delete its keys. In addition, the role `registration` deletes those of an erased user. */
  writers: readonly [Role, ...Role[]];
  /** The roles that only read its keys. */
  readers?: readonly Role[];
  /** `value`: the value is encrypted. A list: these fields of the hash are. */
  encrypted: 'no' | 'value' | readonly [string, ...string[]];
} & Personal;

/** All key families. When the templates of two families match a key, it belongs to the first. */
export const keyFamilies = {
  registration: {
    key: 'registration:{<registrationId>}',
    writers: ['api', 'registration'],
    life: { seconds: 2 * 86_400, after: 'its last change; before its first step, ten minutes after it expires' },
    encrypted: ['start'],
    personal: { userIdIn: { field: 'status' } },
  },
  credentials: {
    key: 'credentials:{<registrationId>}',
    writers: ['registration'],
    life: { seconds: 2 * 86_400, after: 'the last choice' },
    encrypted: 'no',
    personal: { deletedWith: ['registration'] },
  },
  registrationDevice: {
    key: 'registration-device:{<registrationId>}',
    writers: ['api', 'registration'],
    life: { seconds: 2 * 86_400, after: 'the last description of the device' },
    encrypted: 'no',
    personal: { deletedWith: ['registration'] },
  },
  signalStep: {
    key: 'signal:{<registrationId>}',
    writers: ['api', 'registration'],
    readers: ['signal'],
    life: {
      seconds: 8 * 86_400,
      after: 'the last change; 2 days after the registration ends, and then without number and request',
    },
    encrypted: ['number', 'request', 'answer'],
    personal: { deletedWith: ['registration'] },
  },
  login: {
    key: 'login:{<loginId>}',
    writers: ['api'],
    life: { seconds: 3600, after: 'it expires' },
    encrypted: ['encrypted'],
    personal: { userIdIn: { field: 'userId' } },
  },
  otp: {
    key: 'otp:{<subject>}:<purpose>',
    writers: ['api', 'registration', 'delivery'],
    life: { until: 'the code expires' },
    encrypted: 'no',
    personal: { deletedWith: ['registration', 'login'] },
  },
  verification: {
    key: 'verification:{<subject>}:<purpose>',
    writers: ['api', 'registration', 'delivery'],
    life: { seconds: 2 * 86_400, after: 'the start of its last send; with its verification session, if it has one' },
    encrypted: ['encrypted:<send>'],
    personal: { deletedWith: ['registration', 'login'] },
  },
  reports: {
    key: 'reports:{<subject>}:<purpose>',
    writers: ['api'],
    readers: ['delivery'],
    life: { seconds: 2 * 86_400, after: 'the last report' },
    encrypted: 'no',
    personal: { deletedWith: ['registration', 'login'] },
  },
  delivery: {
    key: 'delivery:{<subject>}:<kind>',
    writers: ['delivery'],
    life: { seconds: 4 * 86_400, after: 'its last attempt' },
    encrypted: 'no',
    personal: { deletedWith: ['registration', 'login'] },
  },
  verificationSession: {
    key: 'verification-session:{<sessionId>}',
    writers: ['api', 'registration'],
    life: { until: 'the session has expired and no send can extend it' },
    encrypted: ['number'],
    personal: { expires: 'it belongs to no account, and the number is encrypted' },
  },
  session: {
    key: 'session:<sessionId>',
    writers: ['api', 'gateway', 'registration'],
    life: { until: 'its idle timeout or its absolute end' },
    encrypted: ['successor'],
    personal: { userIdIn: { field: 'userId' } },
  },
  refresh: {
    key: 'refresh:<tokenHash>',
    writers: ['api'],
    life: { until: 'the token expires' },
    encrypted: 'no',
    personal: { userIdIn: { field: 'userId' } },
  },
  sessions: {
    key: 'sessions:<userId>',
    writers: ['api', 'registration'],
    life: { until: 'the absolute end of its last session' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  sessionPlace: {
    key: 'session-place:<userId>',
    writers: ['api'],
    life: { until: 'the absolute end of the session' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  devicePlace: {
    key: 'device-place:<userId>:<deviceId>',
    writers: ['api'],
    life: { until: 'the absolute end of the session' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  deviceActivity: {
    key: 'device-activity:<userId>',
    writers: ['api', 'gateway', 'registration'],
    life: { kept: 'a field for each device, until it is removed' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  knownDevices: {
    key: 'known-devices:<userId>',
    writers: ['api'],
    life: { seconds: 180 * 86_400, after: 'the last log-in' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  user: {
    key: 'user:<userId>',
    writers: ['api', 'registration'],
    readers: ['gateway'],
    life: { kept: 'as long as the account' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  accountFacts: {
    key: 'account-facts:<userId>',
    writers: ['api', 'gateway', 'registration'],
    life: { seconds: 86_400, after: 'they were read from MongoDB; a minute after a change of the person begins' },
    encrypted: ['facts'],
    personal: { userIdIn: 'key' },
  },
  inboxes: {
    key: 'inboxes:{<userId>}',
    writers: ['api', 'gateway', 'registration'],
    life: { kept: 'as long as the account has devices' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  inbox: {
    key: 'inbox:{<userId>}:<deviceId>',
    writers: ['api', 'gateway', 'registration'],
    life: { kept: 'a message until its device acknowledges it, it moves to MongoDB or the device is removed' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  sentMessages: {
    key: 'sent:{<userId>}:<senderId>:<senderDeviceId>',
    writers: ['api', 'gateway'],
    life: { seconds: 86_400, after: 'the last message of the device to the user' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  messageLimit: {
    key: 'message-limit:{<userId>}:<deviceId>',
    writers: ['api', 'gateway'],
    life: { seconds: 86_400, after: 'the last message of the device, at most' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  conversation: {
    key: 'conversation:{<userId>}:<peerId>',
    writers: ['api', 'gateway'],
    life: { seconds: 86_400, after: 'it was read from MongoDB' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  wakeUp: {
    key: 'wake-up:<userId>:<deviceId>',
    writers: ['api', 'gateway', 'registration', 'delivery'],
    life: { seconds: 86_400, after: 'it was sent; a minute before it is confirmed' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  pushResult: {
    key: 'push-result:<userId>',
    writers: ['api', 'registration', 'delivery'],
    life: { seconds: 180 * 86_400, after: 'the last wake-up' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  pushToken: {
    key: 'push-token:<provider>',
    writers: ['delivery'],
    life: { until: 'a new token for the push provider is due, within an hour' },
    encrypted: 'value',
    personal: 'no',
  },
  recovery: {
    key: 'recovery:<recoveryId>',
    writers: ['api', 'delivery'],
    life: { until: '`RECOVERY_TTL` has passed' },
    encrypted: ['tokens'],
    personal: { expires: 'it holds encrypted tokens' },
  },
  recoveryToken: {
    key: 'recovery-token:<tokenHash>',
    writers: ['delivery'],
    readers: ['api'],
    life: { until: '`RECOVERY_TTL` has passed' },
    encrypted: 'no',
    personal: { userIdIn: 'value' },
  },
  recoveries: {
    key: 'recoveries:<userId>',
    writers: ['delivery'],
    readers: ['api'],
    life: { until: '`RECOVERY_TTL` has passed' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  pinHold: {
    key: 'pin-hold:<userId>:<channel>',
    writers: ['api'],
    life: { until: '`PIN_RESET_WAIT` has passed' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  registrationWarning: {
    key: 'registration-warning:{<userId>}',
    writers: ['api', 'registration'],
    life: { seconds: 86_400, after: 'it was opened' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  registrationWarned: {
    key: 'registration-warned:{<userId>}',
    writers: ['api', 'registration'],
    // longer than a warning by the longest lifetime of a registration
    life: { seconds: 3 * 86_400, after: 'its last registration' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  registrationStop: {
    key: 'registration-stop:<tokenHash>',
    writers: ['api', 'delivery'],
    life: { seconds: 3 * 86_400, after: 'its last message' },
    encrypted: 'no',
    personal: { userIdIn: 'value' },
  },
  link: {
    key: 'link:{<linkId>}',
    writers: ['api', 'registration'],
    life: { seconds: 3600, after: 'it expires' },
    encrypted: 'no',
    personal: { userIdIn: { field: 'userId' } },
  },
  links: {
    key: 'links:<userId>',
    writers: ['api'],
    life: { until: 'its last link expires' },
    encrypted: 'no',
    personal: { userIdIn: 'key' },
  },
  linkReport: {
    key: 'link-report:<limitKey>',
    writers: ['api'],
    life: { seconds: 3600, after: 'the report' },
    encrypted: 'no',
    personal: { expires: 'the key is a keyed hash of a network' },
  },
  captcha: {
    key: 'captcha:<tokenHash>',
    writers: ['api'],
    life: { seconds: 3600, after: 'its last use' },
    encrypted: 'no',
    personal: { expires: 'it holds the id of a registration' },
  },
  secret: {
    key: 'secret:<reference>',
    writers: ['api'],
    readers: ['registration', 'directory'],
    life: { seconds: 120, after: 'it was stored' },
    encrypted: 'value',
    personal: { expires: 'the value is encrypted' },
  },
  idempotency: {
    key: 'idempotency:<keyHash>',
    writers: ['api'],
    life: { seconds: 86_400, after: 'the answer; a minute if the answer has tokens or a stranger has no answer yet' },
    encrypted: ['minted', 'answer'],
    personal: { expires: 'the key is a keyed hash, and the answer is encrypted' },
  },
  smsBudget: {
    key: 'ratelimit:{cost}:<day>',
    writers: ['api'],
    life: { seconds: 2 * 86_400, after: 'the last message of the day' },
    encrypted: 'no',
    personal: 'no',
  },
  rateLimit: {
    key: 'ratelimit:{<limitKey>}:<limit>',
    writers: ['api', 'gateway', 'directory', 'delivery'],
    life: { until: 'its longest window has passed' },
    encrypted: 'no',
    personal: { limitKeyIn: 'key' },
  },
  health: {
    key: 'health:<role>',
    writers: roles,
    life: { kept: 'a field for each process, until it stops or 15 s after its last heartbeat' },
    encrypted: 'no',
    personal: 'no',
  },
  auditStream: {
    key: 'audit',
    writers: roles,
    life: { kept: 'an event until it is shipped; at most `AUDIT_STREAM_MAX`' },
    encrypted: 'no',
    personal: 'audit log',
  },
  auditHead: {
    key: '{audit}:head',
    writers: roles,
    life: { kept: 'always; three fields' },
    encrypted: 'no',
    personal: 'no',
  },
  auditOnce: {
    key: '{audit}:once',
    writers: roles,
    life: { kept: 'the id of an event for a day' },
    encrypted: 'no',
    personal: 'no',
  },
  auditProducer: {
    key: '{audit}:producer:<producerId>',
    writers: roles,
    life: { seconds: 86_400, after: 'the last event of the process' },
    encrypted: 'no',
    personal: 'no',
  },
  auditDeadLetters: {
    key: '{audit}:dead-letters',
    writers: ['audit'],
    life: { kept: 'an event until an operator deletes it; at most about 10,000' },
    encrypted: 'no',
    personal: 'audit log',
  },
  auditCheckpoints: {
    key: '{audit}:checkpoints',
    writers: ['audit'],
    life: { kept: 'an hourly checkpoint for as long as events are kept, and two days' },
    encrypted: 'no',
    personal: 'no',
  },
  configuration: {
    key: 'configuration:<role>',
    writers: roles,
    life: { kept: 'a keyed hash of each variable at the last start of the role' },
    encrypted: 'no',
    personal: 'no',
  },
  auditRemoval: {
    key: '{audit}:removal',
    writers: ['audit'],
    life: { seconds: 1800, after: 'the last checkpoint and removal of old indices' },
    encrypted: 'no',
    personal: 'no',
  },
} as const satisfies Record<string, KeyFamily>;

/** The name of a key family. */
export type FamilyName = keyof typeof keyFamilies;

type IdOf<T extends string> = T extends `${string}<${infer Id}>${infer Rest}` ? Id | IdOf<Rest> : never;
type IdsOf<T extends string> = { readonly [Id in IdOf<T>]: Id extends keyof IdTypes ? IdTypes[Id] : string };
/** The ids that are not any text. */
interface IdTypes {
  purpose: CodePurpose;
  kind: MessageKind;
}
type KeyOf<T extends string> = [IdOf<T>] extends [never] ? () => string : (ids: IdsOf<T>) => string;

/** Builds the keys of each family from its ids: `keys.session({ sessionId })`. */
export const keys = Object.fromEntries(
  Object.entries(keyFamilies).map(([family, { key }]) => [family, keyBuilder(key)]),
) as unknown as { readonly [F in FamilyName]: KeyOf<(typeof keyFamilies)[F]['key']> };

/** Who publishes on the channels of a pattern, and who listens. The keys of some families name a channel too. */
export const channelFamilies = {
  node: { channel: 'node:<nodeId>', publishers: ['api', 'gateway', 'registration'], listeners: ['api', 'gateway'] },
  presence: {
    channel: 'presence:<userId>',
    publishers: ['api', 'gateway', 'registration'],
    listeners: ['api', 'gateway'],
  },
  sessionsEnded: { channel: 'sessions-ended', publishers: ['api', 'registration'], listeners: ['api', 'gateway'] },
  registration: { channel: keyFamilies.registration.key, publishers: ['api', 'registration'], listeners: ['api'] },
  link: { channel: keyFamilies.link.key, publishers: ['api', 'registration'], listeners: ['api'] },
  links: { channel: keyFamilies.links.key, publishers: ['api', 'registration'], listeners: ['api'] },
} as const satisfies Record<string, ChannelFamily>;

/** The channels of a kind: the template of their names, and the roles that use them. */
export interface ChannelFamily {
  channel: string;
  publishers: readonly Role[];
  listeners: readonly Role[];
}

/** The channels of publications that are not named by a key. Publications are not stored. */
export const channels = {
  /** What a process is told about its connections. */
  node: ({ nodeId }: { nodeId: string }): string => `node:${nodeId}`,
  /** A user came online or went offline, or changed a conversation. */
  presence: ({ userId }: { userId: string }): string => `presence:${userId}`,
  /** Sessions ended. */
  sessionsEnded: (): string => 'sessions-ended',
};

/** A key, its family and its ids by the names of the template. */
export interface KnownKey {
  family: FamilyName;
  ids: Readonly<Record<string, string>>;
}

const patterns = Object.entries(keyFamilies).map(([family, { key }]) => ({
  family: family as FamilyName,
  prefix: key.replace(/<.*/, ''),
  pattern: new RegExp(`^${key.replaceAll(/[{}]/g, '\\$&').replaceAll(/<(\w+)>/g, '(?<$1>.+)')}$`),
}));

/** Returns the family and ids of a key, or undefined if it belongs to no family. */
export function parseKey(key: string): KnownKey | undefined {
  for (const { family, prefix, pattern } of patterns) {
    const match = key.startsWith(prefix) ? pattern.exec(key) : null;
    if (match !== null) return { family, ids: { ...match.groups } };
  }
  return undefined;
}

/** Returns the personal keys that are stored under the id of a registration or log-in, whether they exist or not. */
export function keysDeletedWith(owner: Owner, id: string): string[] {
  const found = Object.values<KeyFamily>(keyFamilies).flatMap(({ key, personal }) => {
    if (typeof personal === 'string' || !('deletedWith' in personal) || !personal.deletedWith.includes(owner))
      return [];
    return codePurposes.map((purpose) => keyBuilder(key)({ registrationId: id, subject: id, purpose, kind: purpose }));
  });
  return [...new Set(found)];
}

function keyBuilder(template: string): (ids?: Readonly<Record<string, string>>) => string {
  // texts and the names of ids alternate
  const [head = '', ...rest] = template.split(/<(\w+)>/);
  return (ids = {}) => {
    let key = head;
    // concatenated, because every command builds keys
    for (let index = 0; index < rest.length; index += 2) key += `${ids[rest[index] ?? '']}${rest[index + 1]}`;
    return key;
  };
}
