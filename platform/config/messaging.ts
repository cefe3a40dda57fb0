import { z } from 'zod';
import type { Window } from '../../domain/limits.ts';
import { integer } from './schemas.ts';
import type { Variable } from './variable.ts';

/** `600/60` means 600 at once, and one more each tenth of a second. */
const rate = z
  .string()
  .regex(/^[1-9]\d{0,6}\/[1-9]\d{0,4}$/, 'must be number/seconds')
  .transform((value): Window => {
    const [max = 0, windowSeconds = 0] = value.split('/').map(Number);
    return { max, windowSeconds };
  });

/** Variables of messages and their delivery. */
export const messagingVariables = {
  MESSAGE_DURABILITY: {
    about:
      'when a send is answered: memory (Redis has it), disk (Redis has written it to its append-only file; needs appendfsync always) or replica (all replicas of Redis have it)',
    roles: ['api', 'gateway'],
    schema: z.enum(['memory', 'disk', 'replica']),
    default: 'memory',
  },
  MESSAGE_REPLICA_TIMEOUT_MS: {
    about:
      'how long a send waits for the replicas of Redis, in milliseconds; after that it is refused and may be repeated',
    roles: ['api', 'gateway'],
    schema: integer(10, 30_000),
    default: '2000',
  },
  LIMIT_MESSAGES_PER_DEVICE: {
    about: 'messages of one device to all users: number/seconds; used-up ones become possible again one by one',
    roles: ['api', 'gateway'],
    schema: rate,
    default: '1200/60',
  },
  LIMIT_MESSAGES_PER_PAIR: {
    about: 'messages of one device to one user: number/seconds; used-up ones become possible again one by one',
    roles: ['api', 'gateway'],
    schema: rate,
    default: '600/60',
  },
  LIMIT_MESSAGES_PER_RECIPIENT: {
    about: 'messages of all users to one user: number/seconds; used-up ones become possible again one by one',
    roles: ['api', 'gateway'],
    schema: rate,
    default: '6000/60',
  },
  INBOX_ARCHIVE_AFTER: {
    about: 'seconds after which messages that wait for a device move from Redis to MongoDB',
    roles: ['registration'],
    schema: integer(1, 2_592_000),
    default: '86400',
  },
  INBOX_ARCHIVE_INTERVAL: {
    about: 'seconds between two runs of the schedule that moves and expires waiting messages',
    roles: ['registration'],
    schema: integer(1, 86_400),
    default: '900',
  },
  LINKED_DEVICE_IDLE_DAYS: {
    about:
      'days without a connection after which a linked device gets no more messages until it connects; it is warned before',
    roles: ['registration'],
    schema: integer(1, 3650),
    default: '60',
  },
  SOCKETS: {
    about: 'whether the api serves Socket.IO itself: on, or off where processes of the role gateway do',
    roles: ['api'],
    schema: z.enum(['on', 'off']).transform((value) => value === 'on'),
    default: 'on',
  },
  SOCKETS_MAX: {
    about: 'connections of Socket.IO that one process accepts',
    roles: ['api', 'gateway'],
    schema: integer(1, 1_000_000),
    default: '20000',
  },
  SOCKETS_PER_ADDRESS: {
    about: 'connections of Socket.IO that one process accepts from one IPv4 address or IPv6 /64',
    roles: ['api', 'gateway'],
    schema: integer(1, 1_000_000),
    default: '1000',
  },
  SOCKETS_PER_PERSON: {
    about:
      'connections of Socket.IO that one process accepts from one user, whose sessions without a device each have one',
    roles: ['api', 'gateway'],
    schema: integer(1, 1000),
    default: '12',
  },
  SOCKET_DRAIN_SECONDS: {
    about: 'seconds over which clients reconnect when a process stops, each after a delay of its own',
    roles: ['api', 'gateway'],
    schema: integer(0, 600),
    default: '10',
  },
} satisfies Record<string, Variable>;
