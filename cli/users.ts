/** `vyry users`: shows, disables and enables accounts, and changes their roles. */
import { executeSingleton } from '../adapters/temporal/client-calls.ts';
import { type Account, type Identifier, isRole, rolesOf } from '../domain/account.ts';
import {
  identityReleaseWorkflowId,
  userAdministrationWorkflowId,
  userRolesWorkflowId,
} from '../domain/workflow-ids.ts';
import { newId } from '../platform/crypto.ts';
import { identityRelease } from '../workflows/identity-change.ts';
import { userAttributesOf } from '../workflows/search-attributes.ts';
import { userDisabling, userEnabling, userRoleChange } from '../workflows/user-administration.ts';
import { accountViewOf, findAccount, textOf, whoIsRead } from './accounts.ts';
import { actOptions, type Command, confirm, type Invocation, operatorName, UsageError } from './command.ts';
import { openTemporal, openUsers } from './connections.ts';

const who = ['user'];
/** Longest wait for the end of the workflow. The workflow continues afterwards. */
const waitMs = 20_000;

const show: Command = {
  positionals: who,
  about: 'Shows an account, whether it is disabled, and its number of sessions.',
  details: whoIsRead,
  options: {},
  budget: 'read',
  async run({ positionals, env, show }) {
    await using users = openUsers(env);
    const account = await findAccount(users, positionals[0]);
    const seen = { ...accountViewOf(account), sessions: await users.sessions.count(account.userId) };
    show({ json: seen, text: textOf(seen) });
  },
};

const disable: Command = {
  positionals: who,
  about: 'Disables an account: its sessions end immediately and no new session can start.',
  details: whoIsRead,
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
  details: whoIsRead,
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

const withRole = ['user', 'role'];
const grantOptions = { ...actOptions, yes: { about: 'do not ask for confirmation' } };

const grant: Command = {
  positionals: withRole,
  about: 'Grants a role to a user. `admin` may call /api/v1/admin; the first admin is created with this command.',
  details: `${whoIsRead}\nIt shows whom it found and asks before it grants.`,
  options: grantOptions,
  run: (invocation) => changeRoles(invocation, (roles, role) => [...roles, role], confirmGrant),
};

const revoke: Command = {
  positionals: withRole,
  about: 'Revokes a role from a user, effective immediately.',
  details: whoIsRead,
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
  isWanted: (invocation: Invocation, account: Account, role: string) => Promise<boolean> = async () => true,
): Promise<void> {
  const role = invocation.positionals[1] ?? '';
  if (!isRole(role)) throw new UsageError('<role> must be at most 32 lower-case letters, digits and dashes');
  const { account, temporal, operator } = await openAct(invocation);
  await using _closing = temporal;
  const { userId, roles: before } = account;
  if (!(await isWanted(invocation, account, role))) throw new Error('Nothing was changed.');
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

/** Shows the account on standard error, so that `--json` stays one document. */
async function confirmGrant(invocation: Invocation, account: Account, role: string): Promise<boolean> {
  invocation.terminal.errors.write(`${textOf(accountViewOf(account))}\n`);
  return confirm(`Grant the role ${role} to this user?`, invocation);
}

async function openAct({ positionals, values, env }: Invocation) {
  const operator = operatorName(values.by);
  await using users = openUsers(env);
  const account = await findAccount(users, positionals[0]);
  return { account, userId: account.userId, operator, temporal: openTemporal(env) };
}
