/** `vyry users`: accounts, and who may use theirs. */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Account } from '../adapters/mongo/accounts.ts';
import { userAccessWorkflowId } from '../domain/account.ts';
import { maskEmail, maskPhone } from '../domain/registration.ts';
import { userDisabling, userEnabling } from '../workflows/user-access.ts';
import { actOptions, type Command, type Invocation, operatorName, table } from './command.ts';
import { openTemporal, openUsers, type TemporalAccess } from './connections.ts';

const who = ['user-id-or-name'];
/** Longest wait for the end of the workflow; it goes on by itself afterwards. */
const waitMs = 20_000;

const show: Command = {
  positionals: who,
  about: 'Shows an account, whether it is disabled, and how many sessions it has.',
  options: {},
  async run({ positionals, env, show }) {
    await using users = openUsers(env);
    const account = await findAccount(users, positionals[0]);
    const sessions = await users.sessions.count(account.userId, Date.now());
    const seen = viewOf(account, sessions);
    show({ json: seen, text: table(Object.entries(seen).map(([name, value]) => [name, String(value)])) });
  },
};

const disable: Command = {
  positionals: who,
  about: 'Disables an account: its sessions end at once, and it begins no new one.',
  options: actOptions,
  async run(invocation) {
    const { userId, temporal, operator } = await openAct(invocation);
    await using _closing = temporal;
    const { sessionsEnded } = await runAccess(temporal, userDisabling, { userId, operator, at: Date.now() });
    invocation.show({
      json: { userId, isDisabled: true, sessionsEnded },
      text: `${userId} is disabled; ${sessionsEnded} sessions ended.`,
    });
  },
};

const enable: Command = {
  positionals: who,
  about: 'Lets a disabled account begin sessions again; those that ended stay so.',
  options: actOptions,
  async run(invocation) {
    const { userId, temporal, operator } = await openAct(invocation);
    await using _closing = temporal;
    await runAccess(temporal, userEnabling, { userId, operator, at: Date.now() });
    invocation.show({ json: { userId, isDisabled: false }, text: `${userId} is enabled.` });
  },
};

/** The commands on users. */
export const users: Record<string, Command> = { show, disable, enable };

async function findAccount({ accounts }: Pick<ReturnType<typeof openUsers>, 'accounts'>, given = ''): Promise<Account> {
  const account = (await accounts.read(given)) ?? (await accounts.find(given));
  if (account === undefined) throw new Error('There is no account by this id or user name.');
  return account;
}

/** What an operator needs to see; numbers and addresses are masked. */
function viewOf(account: Account, sessions: number): Record<string, unknown> {
  const { userId, username, email, phone, roles, createdAt, disabledAt } = account;
  return {
    userId,
    ...(username && { username }),
    ...(phone && { phone: maskPhone(phone) }),
    ...(email && { email: maskEmail(email) }),
    roles: roles.join(', '),
    createdAt: createdAt.toISOString(),
    sessions,
    disabled: disabledAt === undefined ? 'no' : `since ${disabledAt.toISOString()}`,
  };
}

async function openAct({ positionals, values, env }: Invocation) {
  const operator = operatorName(values.by);
  await using users = openUsers(env);
  const { userId } = await findAccount(users, positionals[0]);
  return { userId, operator, temporal: openTemporal(env) };
}

/** Runs the workflow, or waits for the same one that is under way already. */
async function runAccess<W extends typeof userDisabling | typeof userEnabling>(
  { client, within }: TemporalAccess,
  workflow: W,
  input: Parameters<W>[0],
): Promise<Awaited<ReturnType<W>>> {
  const workflowId = userAccessWorkflowId(input.userId);
  try {
    await within(() =>
      client.workflow.start(workflow.name, {
        taskQueue: 'registration',
        workflowId,
        args: [input],
        staticSummary: workflow.name === 'userDisabling' ? 'Disable an account' : 'Enable an account',
      }),
    );
  } catch (err) {
    if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
    const { type } = await within(() => client.workflow.getHandle(workflowId).describe());
    if (type !== workflow.name) throw new Error('The access of this account is being changed. Try again in a moment.');
  }
  try {
    return await within(() => client.workflow.getHandle(workflowId).result(), waitMs);
  } catch (err) {
    const { status } = await within(() => client.workflow.getHandle(workflowId).describe());
    if (status.name !== 'RUNNING') throw err;
    throw new Error(
      'It was begun and goes on by itself, but is not done yet: a registration worker, MongoDB or Redis is away. vyry doctor tells more.',
    );
  }
}
