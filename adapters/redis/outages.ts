/**
 * Outages of Redis: what its client raises while Redis does not answer, and the answers of a Redis that is up and cannot
 * work. Commands note them on their errors, so that no other error is mistaken for one.
 */
import { type Command, ReplyError } from 'ioredis';
import { notedOutage, noteOutage, type Outage } from '../../platform/outages.ts';

/**
 * Why Redis refuses a correct command, by the first word of its answer, which is the kind of the error.
 * https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors,
 * https://github.com/redis/redis/blob/7.4.0/src/server.c#L1820 (shared error answers)
 */
const reasons: ReadonlyMap<string, string> = new Map([
  ['READONLY', 'read-only'],
  ['OOM', 'out-of-memory'],
  ['NOREPLICAS', 'replicas-missing'],
  ['MISCONF', 'cannot-persist'],
  ['LOADING', 'loading'],
  ['BUSY', 'busy'],
  ['MASTERDOWN', 'primary-away'],
  ['CLUSTERDOWN', 'cluster-down'],
  ['MOVED', 'slot-elsewhere'],
  ['ASK', 'slot-elsewhere'],
  ['TRYAGAIN', 'slot-moving'],
  ['NOAUTH', 'credentials-refused'],
  ['WRONGPASS', 'credentials-refused'],
]);

/** Notes the outages among the errors that a command will be rejected with. */
export function watchOutages(command: Pick<Command, 'reject'>): void {
  const { reject } = command;
  command.reject = (err) => {
    const reason = reasonOf(err);
    reject(reason === undefined ? err : noteOutage(err, { dependency: 'redis', reason }));
  };
}

/** Returns the outage of Redis that an error is; undefined if it is another error. */
export function redisOutageOf(err: unknown): Outage | undefined {
  // a transaction is refused as a whole because of its commands
  const { previousErrors = [] } = (err ?? {}) as { previousErrors?: unknown[] };
  const outage = [err, ...previousErrors].map(notedOutage).find((found) => found !== undefined);
  return outage?.dependency === 'redis' ? outage : undefined;
}

/** Returns whether an error means that Redis is unavailable or cannot work, as opposed to an invalid command. */
export function isRedisOutage(err: unknown): boolean {
  return redisOutageOf(err) !== undefined;
}

/** Returns whether Redis refused a write because it is a replica. */
export function isReadOnly(err: unknown): boolean {
  return err instanceof ReplyError && kindOf(err as Error) === 'READONLY';
}

/** What is not an answer of Redis was raised by the client: no connection, no answer, or too many redirections. */
function reasonOf(err: Error): string | undefined {
  return err instanceof ReplyError ? reasons.get(kindOf(err)) : 'no-answer';
}

function kindOf({ message }: Error): string {
  return message.slice(0, message.indexOf(' '));
}
