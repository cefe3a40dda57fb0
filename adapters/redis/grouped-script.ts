/**
 * Runs a script many times at once: the calls of one turn of the event loop go to Redis together, in one write.
 *
 * Where replicas must have what was written, one WAIT follows on the same connection. It covers everything that was written
 * before on that connection, and blocks it, so calls that come meanwhile are the next group. A connection that breaks
 * before the answer of WAIT refuses the whole group: on another connection WAIT would have nothing to wait for. The
 * driver repeats a group on a new connection only as a whole, and only if it had no answer of it.
 */
import { Failure } from '../../domain/failures.ts';
import { loadScript, type Redis, type Script } from './connect.ts';

/** A call that waits for its group. */
interface Waiting {
  keys: string[];
  args: (string | number)[];
  done: PromiseWithResolvers<unknown>;
}

/** An answer of a pipeline. */
type Reply = [err: Error | null, reply?: unknown];

/** What a pipeline has of a script. */
type Commands = Record<string, (...args: (string | number)[]) => unknown>;

/**
 * Creates a script whose calls of one turn go to Redis together. In Redis Cluster each call goes to the node of its keys.
 */
export function groupedScript(redis: Redis, name: string): Script {
  if (redis.isCluster) return loadScript(redis, name);
  const pipelineOf = createPipelines(redis, name);
  return collect(async (group) => settle(group, (await pipelineOf(group).exec()) ?? []), { isHeld: false });
}

/**
 * As `groupedScript`. A call is answered when all connected replicas have what it wrote, at least one.
 *
 * @param redis a connection for nothing else
 * @throws {Failure} unavailable fewer replicas have it in time; it is written even so
 */
export function createReplicatedGroups(redis: Redis, name: string, { timeoutMs }: { timeoutMs: number }): Script {
  const pipelineOf = createPipelines(redis, name);
  let replicas: number | undefined;
  return collect(
    async (group) => {
      const asked = replicas ?? connectedIn([null, await redis.role()]) ?? 1;
      const replies: Reply[] = (await pipelineOf(group).wait(asked, timeoutMs).role().exec()) ?? [];
      const [waited, role] = replies.slice(group.length);
      // the next group waits for those that are connected by then
      replicas = connectedIn(role);
      if (waited?.[0] === null && Number(waited[1]) >= asked) settle(group, replies);
      else refuse(group, new Failure('unavailable', { reason: 'replicas-behind' }));
    },
    { isHeld: true },
  );
}

/** Returns how many replicas the answer of ROLE names, at least 1; undefined if it has none. */
function connectedIn(role: Reply | undefined): number | undefined {
  const [kind, , replicas] = (role?.[1] ?? []) as [kind?: string, offset?: number, replicas?: unknown[]];
  return kind === 'master' ? Math.max(1, replicas?.length ?? 0) : undefined;
}

function createPipelines(redis: Redis, name: string) {
  loadScript(redis, name);
  const command = name.replaceAll('-', '_');
  return (group: readonly Waiting[]) => {
    const pipeline = redis.pipeline();
    const { [command]: run } = pipeline as unknown as Commands;
    for (const { keys, args } of group) run?.call(pipeline, keys.length, ...keys, ...args);
    return pipeline;
  };
}

/** Collects the calls of a turn. Held: those that come before a group is answered are the next one. */
function collect(execute: (group: Waiting[]) => Promise<void>, { isHeld }: { isHeld: boolean }): Script {
  let waiting: Waiting[] = [];
  let isPlanned = false;
  const flush = async () => {
    const group = waiting;
    waiting = [];
    if (!isHeld) isPlanned = false;
    await execute(group).catch((err: unknown) => refuse(group, err));
    if (!isHeld) return;
    isPlanned = false;
    if (waiting.length > 0) plan();
  };
  const plan = () => {
    if (isPlanned) return;
    isPlanned = true;
    setImmediate(() => void flush());
  };
  return (keys, args) => {
    const done = Promise.withResolvers<unknown>();
    waiting.push({ keys, args, done });
    plan();
    return done.promise;
  };
}

function settle(group: readonly Waiting[], replies: readonly Reply[]): void {
  for (const [index, { done }] of group.entries()) {
    const [err, reply] = replies[index] ?? [new Error('Redis did not answer')];
    if (err) done.reject(err);
    else done.resolve(reply);
  }
}

function refuse(group: readonly Waiting[], err: unknown): void {
  for (const { done } of group) done.reject(err);
}
