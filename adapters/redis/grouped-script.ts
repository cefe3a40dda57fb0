/**
 * Runs scripts many times at once: the calls of one turn of the event loop go to Redis together, in one write, which costs as
 * much as the work of Redis.
 *
 * Where replicas must have what was written, one WAIT follows on the same connection. It covers everything that was written
 * before on that connection, and blocks it, so calls that come meanwhile are the next group. A connection that breaks
 * before the answer of WAIT refuses the whole group: on another connection WAIT would have nothing to wait for. The
 * driver repeats a group on a new connection only as a whole, and only if it had no answer of it.
 */
import { Failure } from '../../domain/failures.ts';
import { runWithoutBudget } from '../../platform/budget.ts';
import { loadScript, type Redis, type Script } from './connect.ts';

/** A call that waits for its group. */
interface Waiting {
  command: string;
  keys: string[];
  args: (string | number)[];
  done: PromiseWithResolvers<unknown>;
}

/** An answer of a pipeline. */
type Reply = [err: Error | null, reply?: unknown];

/** What a pipeline has of a script. */
type Commands = Record<string, (...args: (string | number)[]) => unknown>;

/** The groups of each connection: the calls of all its scripts go together. */
const groups = new WeakMap<Redis, Collect>();

/**
 * Creates a script whose calls of one turn go to Redis together with those of the other grouped scripts of the connection,
 * in their order. In Redis Cluster each call goes to the node of its keys.
 */
export function groupedScript(redis: Redis, name: string): Script {
  if (redis.isCluster) return loadScript(redis, name);
  const known = groups.get(redis);
  const collected =
    known ?? collect(async (group) => settle(group, (await pipelineOf(redis, group).exec()) ?? []), { isHeld: false });
  groups.set(redis, collected);
  return collected(commandOf(redis, name));
}

/**
 * As `groupedScript`. A call is answered when all connected replicas have what it wrote, at least one.
 *
 * @param redis a connection for nothing else
 * @throws {Failure} unavailable fewer replicas have it in time; it is written even so
 */
export function createReplicatedGroups(redis: Redis, name: string, { timeoutMs }: { timeoutMs: number }): Script {
  let replicas: number | undefined;
  const collected = collect(
    async (group) => {
      const asked = replicas ?? connectedIn([null, await redis.role()]) ?? 1;
      const replies: Reply[] = (await pipelineOf(redis, group).wait(asked, timeoutMs).role().exec()) ?? [];
      const [waited, role] = replies.slice(group.length);
      // the next group waits for those that are connected by then
      replicas = connectedIn(role);
      if (waited?.[0] === null && Number(waited[1]) >= asked) settle(group, replies);
      else refuse(group, new Failure('unavailable', { reason: 'replicas-behind' }));
    },
    { isHeld: true },
  );
  return collected(commandOf(redis, name));
}

/** Returns how many replicas the answer of ROLE names, at least 1; undefined if it has none. */
function connectedIn(role: Reply | undefined): number | undefined {
  const [kind, , replicas] = (role?.[1] ?? []) as [kind?: string, offset?: number, replicas?: unknown[]];
  return kind === 'master' ? Math.max(1, replicas?.length ?? 0) : undefined;
}

function commandOf(redis: Redis, name: string): string {
  loadScript(redis, name);
  return name.replaceAll('-', '_');
}

function pipelineOf(redis: Redis, group: readonly Waiting[]) {
  const pipeline = redis.pipeline();
  const commands = pipeline as unknown as Commands;
  for (const { command, keys, args } of group) commands[command]?.(keys.length, ...keys, ...args);
  return pipeline;
}

/** Returns a script whose calls are collected. */
type Collect = (command: string) => Script;

/** Collects the calls of a turn. Held: those that come before a group is answered are the next one. */
function collect(execute: (group: Waiting[]) => Promise<void>, { isHeld }: { isHeld: boolean }): Collect {
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
    // a group has the calls of several requests
    runWithoutBudget(() => setImmediate(() => void flush()));
  };
  return (command) => (keys, args) => {
    const done = Promise.withResolvers<unknown>();
    waiting.push({ command, keys, args, done });
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
