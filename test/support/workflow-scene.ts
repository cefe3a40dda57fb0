/** Registrations on the shared Temporal server, in a namespace of their own, with activities whose answers a test decides. */
import { ApplicationFailure, activityInfo } from '@temporalio/activity';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import type { UpdateDefinition } from '@temporalio/common';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { AccountActivities } from '../../activities/accounts.ts';
import type { DeliveryActivities } from '../../activities/delivery.ts';
import type { AuthenticateResult, DirectoryActivities } from '../../activities/directory.ts';
import type { NotificationActivities } from '../../activities/notifications.ts';
import type { RegistrationActivities } from '../../activities/registration.ts';
import { executeUpdate } from '../../adapters/temporal/client-calls.ts';
import { createDataConverter, isTemporalOutage } from '../../adapters/temporal/connect.ts';
import { Failure, type FailureCode, type FailureContext } from '../../domain/failures.ts';
import {
  type Identity,
  type RegistrationRules,
  type RegistrationStatus,
  registrationWorkflowId,
} from '../../domain/registration.ts';
import { ensureNamespace } from '../../engines/temporal.ts';
import { Secret } from '../../platform/config.ts';
import { newId } from '../../platform/crypto.ts';
import { type RegistrationInput, type registration, registrationStatus } from '../../workflows/registration.ts';
import { testBundle, testEngines } from './engines.ts';
import { uniqueName } from './redis.ts';
import { eventually } from './until.ts';

export type FakeActivities = AccountActivities &
  DeliveryActivities &
  DirectoryActivities &
  RegistrationActivities &
  NotificationActivities;

/** Answers of one registration that differ from those of a good day. */
export type Script = Partial<FakeActivities>;

export interface Call {
  name: keyof FakeActivities;
  // biome-ignore lint/suspicious/noExplicitAny: inputs are what is under test; assertions say what they are
  input: any;
}

/** One registration and everything it did to the outside. */
export interface Scene {
  id: string;
  handle: WorkflowHandle<typeof registration>;
  /** Every activity that the workflow asked for; one that Temporal has repeated for itself, after a lost try, is one. */
  calls: Call[];
  /** Names of the calls but those that publish or look for an owner to warn, which nothing waits for, in order. */
  acts(): string[];
  /** Every status that was published, in order. */
  published: RegistrationStatus[];
  status(): Promise<RegistrationStatus>;
  /** Resolves when a published status is as wanted. */
  until(isWanted: (status: RegistrationStatus) => boolean): Promise<RegistrationStatus>;
  historyLength(): Promise<number>;
  /** Gives an order as the api does; one that is not answered within its deadline is given again, with the same id. */
  give<Answer, Args extends [unknown] | []>(
    update: UpdateDefinition<Answer, Args>,
    args: Args,
    updateId?: string,
  ): Promise<Answer>;
  /** Gives orders that must leave the history as it is. @throws {Error} it has grown */
  leavesNoHistory(orders: () => Promise<unknown>): Promise<void>;
}

/** The workers of all scenes. */
export interface Stage extends AsyncDisposable {
  client: Client;
  start(script?: Script, input?: StartOptions): Promise<Scene>;
}

export interface StartOptions {
  policy?: RegistrationInput['policy'];
  identity?: Identity;
  rules?: Partial<RegistrationRules>;
}

export const ada = {
  username: 'ada',
  fullName: 'Ada Lovelace',
  email: 'ada@example.com',
  phone: '+447700900101',
  country: 'GB',
  callingCode: '44',
  directoryId: 'entry-of-ada',
  groups: [],
} satisfies Identity;

/** Longer than any test takes: a test of a time sets it and moves the clock. */
const rules: RegistrationRules = {
  codeTtlSeconds: 180,
  checksMax: 5,
  resendWaitsSeconds: [600],
  ttlSeconds: 3600,
  waitMaxSeconds: 86_400,
};

/** As a `Failure` comes out of the workers: not repeated by Temporal, known by its code. */
export function failure(code: FailureCode, context: FailureContext = {}): ApplicationFailure {
  return ApplicationFailure.nonRetryable(code, code, context);
}

/** What a good day answers, by the clock of the server. */
const goodDayBy = (now: Clock): FakeActivities => ({
  authenticate: async (): Promise<AuthenticateResult> => ({ outcome: 'ok', identity: ada }),
  readEntryStatuses: async () => [],
  sendCode: async () => ({ result: 'sent', at: await now() }),
  hashCredentials: async () => 'kept',
  claimIdentity: async () => true,
  releaseIdentity: async () => undefined,
  createAccount: async () => undefined,
  removeAccount: async () => undefined,
  recoverAccount: async () => [],
  publishStatus: async () => undefined,
  operatorAct: async () => undefined,
  forget: async () => undefined,
  sendNotification: async () => true,
  findRecipients: async () => [{ channel: 'email', to: ada.email }],
  findOwner: async () => null,
});

/** Where a stage is, and the time there, in milliseconds since the Unix epoch. */
export interface StagePlace {
  address: string;
  namespace?: string;
  now?: Clock;
}

type Clock = () => Promise<number>;

/** Starts the workers, on the shared server in a namespace of their own; they end with the stage. */
export async function openStage(): Promise<Stage> {
  const { temporalAddress } = testEngines();
  const namespace = uniqueName('workflows');
  await ensureNamespace(temporalAddress, namespace);
  return openStageOn({ address: temporalAddress, namespace });
}

/** Starts the workers in a namespace of a server; they end with the stage. */
export async function openStageOn({
  address,
  namespace = 'default',
  now = async () => Date.now(),
}: StagePlace): Promise<Stage> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const dataConverter = createDataConverter(new Secret(Buffer.alloc(32, 7).toString('base64')), []);
  const connection = await NativeConnection.connect({ address });
  const scenes = new Map<string, { calls: Call[]; script: Script }>();
  const activities = fakesOf(scenes, goodDayBy(now));
  const workers = await Promise.all(
    (['registration', 'directory', 'delivery'] as const).map((taskQueue) =>
      Worker.create({
        connection,
        namespace,
        taskQueue,
        dataConverter,
        activities,
        shutdownForceTime: '2s',
        ...(taskQueue === 'registration' && { workflowBundle: { codePath: testBundle() } }),
      }),
    ),
  );
  const running = workers.map((worker) => worker.run());
  const client = new Client({ connection: await Connection.connect({ address }), namespace, dataConverter });
  return {
    client,
    start: (script, input) => startScene({ client, scenes, now }, script, input),
    async [Symbol.asyncDispose]() {
      for (const worker of workers) worker.shutdown();
      await Promise.allSettled(running);
      await client.connection.close();
      await connection.close();
    },
  };
}

/**
 * Each activity notes its call with the registration it is for, and answers as that one's script says. It is safe to repeat, as
 * a real one: a try that Temporal takes for lost, on a machine that stood still, is answered as the first.
 */
function fakesOf(scenes: Scenes, goodDay: FakeActivities): FakeActivities {
  const names = Object.keys(goodDay) as (keyof FakeActivities)[];
  const answers = new Map<string, Promise<unknown>>();
  const fakeOf = (name: keyof FakeActivities) => (input: { registrationId?: string; subject?: string }) => {
    const { activityId, workflowExecution } = activityInfo();
    const key = `${workflowExecution?.runId} ${activityId}`;
    const known = answers.get(key);
    if (known !== undefined) return known;
    const scene = scenes.get(input.registrationId ?? input.subject ?? '');
    scene?.calls.push({ name, input });
    const act = (scene?.script[name] ?? goodDay[name]) as (input: unknown) => Promise<unknown>;
    const answer = act(input);
    answers.set(key, answer);
    // a crash has no answer: what repeats it is another call
    answer.catch((err: unknown) => err instanceof ApplicationFailure || answers.delete(key));
    return answer;
  };
  return Object.fromEntries(names.map((name) => [name, fakeOf(name)])) as unknown as FakeActivities;
}

type Scenes = Map<string, { calls: Call[]; script: Script }>;

async function startScene(
  { client, scenes, now }: { client: Client; scenes: Scenes; now: Clock },
  script: Script = {},
  { policy = ['directory', 'captcha', 'code', 'credentials'], identity = {}, rules: given = {} }: StartOptions = {},
): Promise<Scene> {
  const id = uniqueName('r');
  const calls: Call[] = [];
  scenes.set(id, { calls, script });
  const input: RegistrationInput = {
    registrationId: id,
    tokenHash: 'hash',
    policy,
    identity,
    rules: { ...rules, ...given },
    startedAt: await now(),
  };
  const handle = await client.workflow.start<typeof registration>('registration', {
    taskQueue: 'registration',
    workflowId: registrationWorkflowId(id),
    args: [input],
  });
  const published = () =>
    calls.filter(({ name }) => name === 'publishStatus').map((call) => call.input.status as RegistrationStatus);
  return {
    id,
    handle,
    calls,
    acts: () => calls.map(({ name }) => name).filter((name) => name !== 'publishStatus' && name !== 'findOwner'),
    get published() {
      return published();
    },
    status: () => handle.query(registrationStatus),
    async until(isWanted) {
      return await eventually(() => published().find(isWanted)).catch((cause: unknown) => {
        throw new Error(`No such status; published were ${JSON.stringify(published(), null, 1)}`, { cause });
      });
    },
    historyLength: async () => (await handle.describe()).historyLength,
    give: (update, args, updateId) => giveUntilAnswered(client, id, update, { args, ...(updateId && { updateId }) }),
    async leavesNoHistory(orders) {
      for (;;) {
        const before = await handle.describe();
        await orders();
        const { events = [] } = await handle.fetchHistory();
        const added = (events ?? []).slice(before.historyLength);
        if (added.length === 0) return;
        // a task that the worker was too slow for is a fact of the machine, and in the history
        const isMachine = added.some(({ workflowTaskTimedOutEventAttributes: isLate }) => Boolean(isLate));
        if (!isMachine) throw new Error(`${added.length} events were added to ${before.historyLength}`);
      }
    },
  };
}

async function giveUntilAnswered<Answer, Args extends [unknown] | []>(
  client: Client,
  id: string,
  update: UpdateDefinition<Answer, Args>,
  { args, updateId = newId() }: { args: Args; updateId?: string },
): Promise<Answer> {
  const settled = await eventually(async () => {
    try {
      return {
        answer: await executeUpdate({ temporal: client }, registrationWorkflowId(id), update, { args, updateId }),
      };
    } catch (err) {
      return isTemporalOutage(err) ? undefined : { err };
    }
  });
  if ('err' in settled) throw settled.err;
  return settled.answer;
}

/** The code by which an update was refused. */
export async function refusalOf(update: Promise<unknown>): Promise<{ code: string; context: unknown }> {
  try {
    await update;
  } catch (err) {
    if (err instanceof Failure) return { code: err.code, context: err.context };
    throw err;
  }
  throw new Error('It was not refused');
}
