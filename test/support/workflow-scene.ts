/**
 * Registrations on the shared Temporal server, in a namespace of their own, with activities whose results a test
 * decides.
 */

import { ApplicationFailure, activityInfo } from '@temporalio/activity';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import type { DataConverter, UpdateDefinition } from '@temporalio/common';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { AccountActivities } from '../../activities/accounts.ts';
import type { CodeSendingActivities } from '../../activities/code-sending.ts';
import type { AuthenticateResult, DirectoryActivities } from '../../activities/directory.ts';
import type { NotificationSendingActivities } from '../../activities/notification-sending.ts';
import type { NotificationActivities } from '../../activities/notifications.ts';
import type { RegistrationActivities } from '../../activities/registration.ts';
import type { SignalActivities } from '../../activities/signal.ts';
import { executeUpdate } from '../../adapters/temporal/client-calls.ts';
import { createCodecOf } from '../../adapters/temporal/codec.ts';
import { createDataConverter, isTemporalOutage } from '../../adapters/temporal/connect.ts';
import { Failure, type FailureCode, type FailureContext } from '../../domain/failures.ts';
import type { ContactIdentity } from '../../domain/identity.ts';
import type { RegistrationRules, RegistrationStatus } from '../../domain/registration.ts';
import { registrationWorkflowId } from '../../domain/workflow-ids.ts';
import { ensureNamespace } from '../../engines/temporal.ts';
import { readOperatorKeys } from '../../platform/config/config.ts';
import type { TemporalRole } from '../../platform/config/roles.ts';
import { newId } from '../../platform/crypto.ts';
import type { registration } from '../../workflows/registration.ts';
import { type RegistrationInput, registrationStatus } from '../../workflows/registration-messages.ts';
import { testBundle, testEngines } from './engines.ts';
import { uniqueName } from './redis.ts';
import { eventually } from './until.ts';

/** All activities of a registration. */
type FakeActivities = AccountActivities &
  CodeSendingActivities &
  Pick<NotificationSendingActivities, 'sendNotification'> &
  DirectoryActivities &
  RegistrationActivities &
  NotificationActivities &
  SignalActivities;

/** Activities of one registration that differ from the default ones. */
export type Script = Partial<FakeActivities>;

/** One call of an activity. */
interface Call {
  name: keyof FakeActivities;
  // biome-ignore lint/suspicious/noExplicitAny: inputs are under test; assertions check their shape
  input: any;
}

/** One registration and its activity calls. */
export interface Scene {
  id: string;
  handle: WorkflowHandle<typeof registration>;
  /** Every activity call of the workflow. A retry by Temporal after a lost attempt is not counted again. */
  calls: Call[];
  /**
   * The names of the calls in order, except those that nothing waits for: publishing a status and looking for an owner
   * to notify.
   */
  acts(): string[];
  /** Every published status, in order. */
  published: RegistrationStatus[];
  /** Queries the status. */
  status(): Promise<RegistrationStatus>;
  /** Resolves with the first published status that matches. */
  until(isWanted: (status: RegistrationStatus) => boolean): Promise<RegistrationStatus>;
  /** Number of events in the history. */
  historyLength(): Promise<number>;
  /** Sends an update as the api does. An update that exceeds its deadline is sent again with the same id. */
  give<Answer, Args extends [unknown] | []>(
    update: UpdateDefinition<Answer, Args>,
    args: Args,
    updateId?: string,
  ): Promise<Answer>;
  /**
   * Runs updates that must not add to the history.
   * @throws {Error} they did
   */
  leavesNoHistory(orders: () => Promise<unknown>): Promise<void>;
}

/** The workers of all scenes. */
export interface Stage extends AsyncDisposable {
  client: Client;
  /** Starts a registration. */
  start(script?: Script, input?: StartOptions): Promise<Scene>;
}

/** Options of a registration. */
export interface StartOptions {
  policy?: RegistrationInput['policy'];
  identity?: ContactIdentity;
  rules?: Partial<RegistrationRules>;
}

/** The default identity. */
export const ada = {
  username: 'ada',
  fullName: 'Ada Lovelace',
  email: 'ada@example.com',
  phone: '+447700900101',
  country: 'GB',
  callingCode: '44',
  directoryId: 'entry-of-ada',
  groups: [],
} satisfies ContactIdentity;

/** Longer than any test takes: a test of a timeout sets it and moves the clock. */
const rules: RegistrationRules = {
  codeTtlSeconds: 180,
  checksMax: 5,
  resendWaitsSeconds: [600],
  ttlSeconds: 3600,
  waitMaxSeconds: 86_400,
};

/** Returns a `Failure` as the workers throw it: not retried by Temporal, identified by its code. */
export function failure(code: FailureCode, context: FailureContext = {}): ApplicationFailure {
  return ApplicationFailure.nonRetryable(code, code, context);
}

/** The default activities, which all succeed, by the clock of the server. */
const goodDayBy = (now: Clock): FakeActivities => ({
  authenticate: async (): Promise<AuthenticateResult> => ({ outcome: 'ok', identity: ada }),
  readEntryStatuses: async () => [],
  sendCode: async () => ({ result: 'sent', at: await now() }),
  hashCredentials: async () => 'kept',
  judgeCredentials: async () => 'kept',
  createAccount: async () => ({ outcome: 'created' }),
  removeAccount: async () => undefined,
  recoverAccount: async () => ({ outcome: 'recovered', replaced: [], ended: [] }),
  findLocked: async () => null,
  publishStatus: async () => undefined,
  takeProofs: async () => ({}),
  operatorAct: async () => undefined,
  saveVerifiedNumber: async () => undefined,
  saveSignalAnswer: async () => undefined,
  registerWithSignal: async ({ number }) => ({ outcome: 'registered', account: { uuid: 'aci', pni: 'pni', number } }),
  uploadSignalKeys: async ({ account }) => ({ outcome: 'registered', account }),
  closeRegistration: async () => undefined,
  sendNotification: async () => true,
  findRecipients: async () => [{ channel: 'email', to: ada.email }],
  findOwner: async () => null,
});

/** Address and namespace of a stage, and its time in milliseconds since the Unix epoch. */
export interface StagePlace {
  address: string;
  namespace?: string;
  now?: Clock;
}

type Clock = () => Promise<number>;

const keys = readOperatorKeys({ PAYLOAD_KEY: Buffer.alloc(32, 7).toString('base64') }, ['PAYLOAD_KEY']);

/** Returns the data converter of a role, with keys of the tests. */
export function converterOf(role: 'api' | TemporalRole): DataConverter {
  return createDataConverter(createCodecOf(role, keys));
}

/** Starts workers on the shared server, in a namespace of their own; they stop with the stage. */
export async function openStage(): Promise<Stage> {
  const { temporalAddress } = testEngines();
  const namespace = uniqueName('workflows');
  await ensureNamespace(temporalAddress, namespace);
  return openStageOn({ address: temporalAddress, namespace });
}

/** Starts workers in a namespace of a server; they stop with the stage. */
export async function openStageOn({
  address,
  namespace = 'default',
  now = async () => Date.now(),
}: StagePlace): Promise<Stage> {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const connection = await NativeConnection.connect({ address });
  const scenes = new Map<string, { calls: Call[]; script: Script }>();
  const activities = fakesOf(scenes, goodDayBy(now));
  const workers = await Promise.all(
    (['registration', 'directory', 'delivery', 'signal'] as const).map((taskQueue) =>
      Worker.create({
        connection,
        namespace,
        taskQueue,
        dataConverter: converterOf(taskQueue),
        activities,
        shutdownForceTime: '2s',
        ...(taskQueue === 'registration' && { workflowBundle: { codePath: testBundle() } }),
      }),
    ),
  );
  const running = workers.map((worker) => worker.run());
  const client = new Client({
    connection: await Connection.connect({ address }),
    namespace,
    dataConverter: converterOf('api'),
  });
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
 * Returns activities that record each call with its registration and follow the script of that registration. They are
 * idempotent, as the real ones: an attempt that Temporal considers lost, on a starved machine, gets the first result.
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
    // a crash has no result: the retry is another call
    answer.catch((err: unknown) => err instanceof ApplicationFailure || answers.delete(key));
    return answer;
  };
  return Object.fromEntries(names.map((name) => [name, fakeOf(name)])) as unknown as FakeActivities;
}

const unawaited: readonly string[] = ['publishStatus', 'findOwner'];

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
    calls
      .filter(({ name }) => name === 'publishStatus' || name === 'closeRegistration')
      .map((call) => call.input.status as RegistrationStatus);
  return {
    id,
    handle,
    calls,
    acts: () => calls.map(({ name }) => name).filter((name) => !unawaited.includes(name)),
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
    give: (update, args, updateId) => executeUntilAnswered(client, id, update, { args, ...(updateId && { updateId }) }),
    async leavesNoHistory(orders) {
      for (;;) {
        const before = await handle.describe();
        await orders();
        const { events = [] } = await handle.fetchHistory();
        const added = (events ?? []).slice(before.historyLength);
        if (added.length === 0) return;
        // a workflow task that timed out on a slow machine is in the history too
        const isMachine = added.some(({ workflowTaskTimedOutEventAttributes: isLate }) => Boolean(isLate));
        if (!isMachine) throw new Error(`${added.length} events were added to ${before.historyLength}`);
      }
    },
  };
}

async function executeUntilAnswered<Answer, Args extends [unknown] | []>(
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

/** Returns the code and context with which an update was refused. */
export async function refusalOf(update: Promise<unknown>): Promise<{ code: string; context: unknown }> {
  try {
    await update;
  } catch (err) {
    if (err instanceof Failure) return { code: err.code, context: err.context };
    throw err;
  }
  throw new Error('The update was not refused');
}
