/** `vyry keys`: generates keys for the configuration. */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { newVapidPrivateKey, vapidPublicKey } from '../adapters/http/webpush.ts';
import { reencryptionWorkflowId } from '../domain/workflow-ids.ts';
import { readRoots } from '../platform/config/config.ts';
import { roles } from '../platform/config/roles.ts';
import { keyIdOf } from '../platform/crypto.ts';
import { deriveKeys, rootNames } from '../platform/keyring.ts';
import { reencryption, reencryptionProgress } from '../workflows/reencryption.ts';
import { type Command, table } from './command.ts';
import { openTemporal } from './connections.ts';

const create: Command = {
  positionals: [],
  about:
    'Prints a new key of 32 bytes in base64, for PAYLOAD_KEY, DATA_KEY, AUDIT_KEY, REDIS_ACL_KEY or JWT_KEYS. It is not stored.',
  options: {},
  async run({ show }) {
    const key = randomBytes(32).toString('base64');
    show({ json: { key }, text: key });
  },
};

const vapid: Command = {
  positionals: [],
  about: 'Prints a new key pair for WebPush: VAPID_PRIVATE_KEY and VAPID_PUBLIC_KEY. It is not stored.',
  options: {},
  async run({ show }) {
    const privateKey = newVapidPrivateKey();
    const publicKey = vapidPublicKey(privateKey);
    show({ json: { privateKey, publicKey }, text: `VAPID_PRIVATE_KEY=${privateKey}\nVAPID_PUBLIC_KEY=${publicKey}` });
  },
};

const ofRoles: Command = {
  positionals: [],
  about: 'Prints the keys of each role, KEYS_API and so on, derived from PAYLOAD_KEY, DATA_KEY and AUDIT_KEY.',
  details:
    'Give each process the line of its role as KEYS, or as the file that KEYS_FILE names, and none of the root keys. Keys in the variables that end in _OLD and _NEXT open and verify, but do not encrypt.',
  options: {},
  async run({ env, show }) {
    const roots = readRoots(env);
    const lines = Object.fromEntries(roles.map((role) => [`KEYS_${role.toUpperCase()}`, deriveKeys(role, roots)]));
    show({
      json: lines,
      text: Object.entries(lines)
        .map(([name, keys]) => `${name}=${keys}`)
        .join('\n'),
    });
  },
};

const status: Command = {
  positionals: [],
  about: 'Prints the ids of the root keys: the current one, and the earlier and next ones, which open and verify.',
  options: {},
  async run({ env, show }) {
    const roots = readRoots(env);
    const ids = rootNames.map((name) => {
      const { current, older = [], next } = roots[name];
      return { name, current: keyIdOf(current), older: older.map(keyIdOf), ...(next && { next: keyIdOf(next) }) };
    });
    const rows = ids.map(({ name, current, older, next = '-' }) => [name, current, older.join(' ') || '-', next]);
    show({ json: ids, text: table([['root', 'current', 'earlier', 'next'], ...rows]) });
  },
};

const reencrypt: Command = {
  positionals: [],
  about: 'Moves all accounts to the current DATA_KEY, and shows how far it is until it is done.',
  details:
    'Run it when every process has the new keys. An interrupted command leaves it running; the same command then shows it again. It ends with the number of passwords and PINs that still need an earlier key: they change when their owner uses them.',
  options: { retire: { about: 'also delete the claims by earlier keys; then remove these keys' } },
  budget: 'none',
  async run({ flags, env, terminal, show }) {
    await using temporal = openTemporal(env);
    const handle = await temporal.within(() =>
      temporal.client.workflow.start(reencryption, {
        taskQueue: 'registration',
        workflowId: reencryptionWorkflowId(),
        workflowIdConflictPolicy: 'USE_EXISTING',
        args: [{ retire: flags.has('retire') }],
        staticSummary: 'Re-encryption of accounts',
      }),
    );
    const done = temporal.within(() => handle.result(), reencryptMs);
    for (let isDone = false; !isDone; ) {
      isDone = await Promise.race([done.then(() => true), pause(progressMs, false)]);
      const progress = isDone
        ? undefined
        : await temporal.within(() => handle.query(reencryptionProgress)).catch(() => undefined);
      if (progress !== undefined) terminal.errors.write(`${progress.accounts} accounts …\n`);
    }
    const { accounts, changed, earlierHashes } = await done;
    const text = `${accounts} accounts have the current keys, ${changed} of them were changed. ${earlierHashes} passwords and PINs need an earlier key.`;
    show({ json: { accounts, changed, earlierHashes }, text });
  },
};

/** A day is longer than any re-encryption takes. */
const reencryptMs = 86_400_000;
const progressMs = 2000;

/** The commands of `vyry keys`. */
export const keys: Record<string, Command> = { new: create, vapid, roles: ofRoles, status, reencrypt };
