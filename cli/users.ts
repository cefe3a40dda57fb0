/** `vyry users`: shows, disables and enables accounts, and changes their roles. */
import { executeSingleton } from '../adapters/temporal/client-calls.ts';
import { type Account, type Identifier, isRole, rolesOf } from '../domain/account.ts';
import { maskEmail, maskPhone } from '../domain/identity.ts';
import {
  identityReleaseWorkflowId,
  userAdministrationWorkflowId,
  userRolesWorkflowId,
} from '../domain/workflow-ids.ts';
import { newId } from '../platform/crypto.ts';
import { identityRelease } from '../workflows/identity-change.ts';
import { userAttributesOf } from '../workflows/search-attributes.ts';
import { userDisabling, userEnabling, userRoleChange } from '../workflows/user-administration.ts';
import { actOptions, type Command, type Invocation, operatorName, table, UsageError } from './command.ts';
import { openTemporal, openUsers } from './connections.ts';

const who = ['user-id-or-name'];
/** Longest wait for the end of the workflow. The workflow continues afterwards. */
const waitMs = 20_000;

const show: Command = {
  positionals: who,
  about: 'Shows an account, whether it is disabled, and its number of sessions.',
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
  about: 'Disables an account: its sessions end immediately and no new session can start.',
  options: actOptions,
  async run(invocation) {
    const { userId, temporal, operator } = await openAct(invocation);
    await using _closing = temporal;
    const { sessionsEnded } = await executeSingleton({ temporal: temporal.client }, userDisabling, {
      workflowId: userAdministrationWorkflowId(userId),
      args: [{ userId, operator, at: Date.now() }],
      staticSummary: 'Disable an account',
      typedSearchAttributes: userAttributesOf(userId),
      waitMs,
    });
    invocation.show({
      json: { userId, isDisabled: true, sessionsEnded },
      text: `${userId} is disabled; ${sessionsEnded} sessions ended.`,
    });
  },
};

const enable: Command = {
  positionals: who,
  about: 'Enables a disabled account: new sessions can start; ended sessions stay ended.',
  options: actOptions,
  async run(invocation) {
    const { userId, temporal, operator } = await openAct(invocation);
    await using _closing = temporal;
    await executeSingleton({ temporal: temporal.client }, userEnabling, {
      workflowId: userAdministrationWorkflowId(userId),
      args: [{ userId, operator, at: Date.now() }],
      staticSummary: 'Enable an account',
      typedSearchAttributes: userAttributesOf(userId),
      waitMs,
    });
    invocation.show({ json: { userId, isDisabled: false }, text: `${userId} is enabled.` });
  },
};

const withRole = ['user-id-or-name', 'role'];

const grant: Command = {
  positionals: withRole,
  about: 'Grants a role to a user. `admin` may call /api/v1/admin; the first admin is created with this command.',
  options: actOptions,
  run: (invocation) => changeRoles(invocation, (roles, role) => [...roles, role]),
};

const revoke: Command = {
  positionals: withRole,
  about: 'Revokes a role from a user, effective immediately.',
  options: actOptions,
  run: (invocation) => changeRoles(invocation, (roles, role) => roles.filter((one) => one !== role)),
};

const kindsReleased: Readonly<Record<string, Identifier['kind']>> = {
  username: 'username',
  phone: 'phone',
  email: 'email',
};

const release: Command = {
  positionals: ['user-id-or-name', 'username|phone|email'],
  about: 'Takes a user name, number or address from an account, so that its next owner can register with it.',
  options: actOptions,
  async run(invocation) {
    const kind = kindsReleased[invocation.positionals[1] ?? ''];
    if (kind === undefined) throw new UsageError('What is released must be username, phone or email');
    const { userId, temporal, operator } = await openAct(invocation);
    await using _closing = temporal;
    const released = await executeSingleton({ temporal: temporal.client }, identityRelease, {
      workflowId: identityReleaseWorkflowId(userId),
      args: [{ changeId: newId(), userId, kind, operator, at: Date.now() }],
      staticSummary: `Release of a ${kind}`,
      typedSearchAttributes: userAttributesOf(userId),
      waitMs,
    });
    // null is what Temporal returns for undefined
    if (released === undefined || released === null) throw new Error(`The account has no ${kind}.`);
    invocation.show({
      json: { userId, released: kind, sessionsEnded: released.sessionsEnded },
      text: `The ${kind} of ${userId} is released; ${released.sessionsEnded} sessions ended.`,
    });
  },
};

/** The commands of `vyry users`. */
export const users: Record<string, Command> = { show, disable, enable, grant, revoke, release };

async function changeRoles(
  invocation: Invocation,
  change: (roles: readonly string[], role: string) => string[],
): Promise<void> {
  const role = invocation.positionals[1] ?? '';
  if (!isRole(role)) throw new UsageError('<role> must be at most 32 lower-case letters, digits and dashes');
  const { userId, roles: before, temporal, operator } = await openAct(invocation);
  await using _closing = temporal;
  const roles = rolesOf(change(before, role));
  await executeSingleton({ temporal: temporal.client }, userRoleChange, {
    workflowId: userRolesWorkflowId(newId()),
    args: [{ userId, operator, at: Date.now(), roles }],
    staticSummary: 'Change roles',
    typedSearchAttributes: userAttributesOf(userId),
    waitMs,
  });
  invocation.show({ json: { userId, roles }, text: `${userId} has the roles ${roles.join(', ')}.` });
}

async function findAccount({ accounts }: Pick<ReturnType<typeof openUsers>, 'accounts'>, given = ''): Promise<Account> {
  const named = (await accounts.read(given)) ?? (await accounts.find(given));
  const account = named ?? (await accounts.findByDirectoryId(given));
  if (account === undefined) throw new Error('There is no account with this id or user name.');
  // an account of an earlier version, whose person was renamed since, is found by the directory sync from then on
  if (named === undefined) await accounts.learnDirectoryEntry(account.userId, given);
  return account;
}

/** The fields of an account for operators. Phone numbers and e-mail addresses are masked. */
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
  const { userId, roles } = await findAccount(users, positionals[0]);
  return { userId, roles, operator, temporal: openTemporal(env) };
}
