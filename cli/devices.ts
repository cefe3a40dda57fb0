/** `vyry devices`: lists the devices of an account, and removes one. */
import { executeSingleton } from '../adapters/temporal/client-calls.ts';
import { isDeviceId } from '../domain/device.ts';
import { type DeviceView, deviceViewsOf } from '../domain/device-view.ts';
import { deviceRemovalWorkflowId } from '../domain/workflow-ids.ts';
import { deviceRemoval } from '../workflows/device-removal.ts';
import { userAttributesOf } from '../workflows/search-attributes.ts';
import { accountViewOf, findAccount, printable, textOf, whoIsRead } from './accounts.ts';
import { actOptions, type Command, confirm, operatorName, table, UsageError } from './command.ts';
import { openTemporal, openUsers, type UserAccess } from './connections.ts';

/** Longest wait for the end of the workflow. The workflow continues afterwards. */
const waitMs = 20_000;

const list: Command = {
  positionals: ['user'],
  about: 'Lists the devices of an account: when each was last seen, who linked it, its push provider and its keys.',
  details: `${whoIsRead}\nvyry devices <user> does the same.`,
  options: {},
  budget: 'read',
  async run({ positionals, env, show }) {
    await using users = openUsers(env);
    const account = await findAccount(users, positionals[0]);
    const seen = accountViewOf(account);
    const devices = await readDevices(users, account.userId);
    show({ json: { ...seen, devices }, text: `${textOf(seen)}\n\n${pageOf(devices)}` });
  },
};

const revoke: Command = {
  positionals: ['user', 'device-id'],
  about: 'Removes a device of an account: its sessions, keys and push registration end, and its user is notified.',
  details: `${whoIsRead}\nIt shows the account and the device that it found and asks before it removes.`,
  options: { ...actOptions, yes: { about: 'do not ask for confirmation' } },
  async run(invocation) {
    const { positionals, values, env, terminal, show } = invocation;
    const operator = operatorName(values.by);
    const { account, device } = await findDevice(env, positionals);
    const { userId } = account;
    const { deviceId } = device;
    terminal.errors.write(`${textOf(accountViewOf(account))}\n\n${pageOf([device])}\n`);
    if (!(await confirm('Remove this device?', invocation))) throw new Error('Nothing was changed.');
    await using temporal = openTemporal(env);
    const removal = await executeSingleton({ temporal: temporal.client }, deviceRemoval, {
      workflowId: deviceRemovalWorkflowId(userId, deviceId),
      args: [{ userId, deviceId, createdAt: Date.parse(device.createdAt), at: Date.now(), why: 'operator', operator }],
      staticSummary: 'Remove a device',
      typedSearchAttributes: userAttributesOf(userId),
      waitMs,
    });
    if (removal.outcome === 'missing') throw missing(deviceId);
    const rotationAdvised = removal.hasOthers;
    const text = `Device ${deviceId} of ${userId} is removed: its sessions, keys and push registration have ended.`;
    show({ json: { userId, deviceId, removed: true, rotationAdvised }, text: rotationAdvised ? text + advice : text });
  },
};

/** The commands of `vyry devices`. */
export const devices: Record<string, Command> = { list, revoke };

const advice =
  '\nIt knows the identity key of the account: if it was lost or stolen, its user should change that key on another device.';

async function findDevice(env: Record<string, string>, [user, deviceId = '']: string[]) {
  if (!isDeviceId(deviceId)) throw new UsageError('<device-id> must be a number, as listed by vyry devices <user>');
  await using users = openUsers(env);
  const account = await findAccount(users, user);
  const all = await readDevices(users, account.userId);
  const device = all.find((one) => one.deviceId === deviceId);
  if (device === undefined) throw missing(deviceId);
  return { account, device };
}

function missing(deviceId: string): Error {
  return new Error(`The account has no device ${deviceId}.`);
}

async function readDevices(users: UserAccess, userId: string): Promise<DeviceView[]> {
  const { devices, deviceActivity, wakeUps, pushCipher } = users;
  const [set, activity, pushed] = await Promise.all([
    devices.read(userId),
    deviceActivity.read(userId),
    wakeUps.lastResults(userId),
  ]);
  return deviceViewsOf(set, { activity, pushed, pushCipher }, Date.now());
}

function pageOf(listed: readonly DeviceView[]): string {
  if (listed.length === 0) return 'No devices.';
  const head = [
    'device',
    'name',
    'client',
    'created',
    'last seen',
    'linked by',
    'probation until',
    'push',
    'keys left',
  ];
  return table([head, ...listed.map(rowOf)]);
}

function rowOf({ push, keys, ...device }: DeviceView): string[] {
  return [
    device.deviceId,
    printable(device.name),
    printable(device.client),
    minuteOf(device.createdAt),
    minuteOf(device.lastSeenAt),
    device.linkedBy === null ? '' : `device ${device.linkedBy}`,
    device.probationUntil === undefined ? '' : minuteOf(device.probationUntil),
    push === undefined ? 'none' : pushText(push),
    `${keys.count} + ${keys.pqCount} KEM`,
  ];
}

function pushText({ provider, lastResult, lastAt }: NonNullable<DeviceView['push']>): string {
  return lastResult === null || lastAt === null ? provider : `${provider}, ${lastResult} ${minuteOf(lastAt)}`;
}

function minuteOf(instant: string): string {
  return `${instant.slice(0, 16)}Z`;
}
