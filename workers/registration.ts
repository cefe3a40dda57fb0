// @permissions net, addons, worker, files, read(WORKFLOW_BUNDLE)
/**
 * The role `registration`: hosts the workflows, and the activities that use MongoDB and Redis. The permission `worker`
 * is for the threads of the workflow sandbox.
 */
import { resolve } from 'node:path';
import type { NativeConnection } from '@temporalio/worker';
import { createAccountActivities } from '../activities/accounts.ts';
import { createCredentialActivities } from '../activities/credentials.ts';
import { createDeviceActivities } from '../activities/devices.ts';
import { createDirectorySyncActivities } from '../activities/directory-sync.ts';
import { createIdentityChangeActivities } from '../activities/identity-change.ts';
import { createIdentityTransferActivities } from '../activities/identity-transfer.ts';
import { createInboxCareActivities, type InboxCareDeps } from '../activities/inbox-care.ts';
import { createLinkActivities } from '../activities/links.ts';
import { createNotificationActivities } from '../activities/notifications.ts';
import { createPurgeActivities } from '../activities/purge.ts';
import { createPushRegistrations } from '../activities/push.ts';
import { createRecoveryActivities } from '../activities/recovery.ts';
import { createReencryptionActivities } from '../activities/reencryption.ts';
import { createRegistrationActivities } from '../activities/registration.ts';
import { createRegistrationDevices } from '../activities/registration-devices.ts';
import { createUserAdministrationActivities } from '../activities/user-administration.ts';
import { createVerificationActivities } from '../activities/verification.ts';
import { type Accounts, createAccounts } from '../adapters/mongo/accounts.ts';
import { createArchive } from '../adapters/mongo/archive.ts';
import { connectMongo, readMongoPlace } from '../adapters/mongo/connect.ts';
import { createConversations } from '../adapters/mongo/conversations.ts';
import { createDevices, type Devices } from '../adapters/mongo/devices.ts';
import { requireMigrated } from '../adapters/mongo/migrate.ts';
import { isMongoOutage } from '../adapters/mongo/outages.ts';
import { createPreKeys, type PreKeys } from '../adapters/mongo/prekeys.ts';
import { createReencryption } from '../adapters/mongo/reencryption.ts';
import { argon2 } from '../adapters/passwords/argon2.ts';
import { createPasswords } from '../adapters/passwords.ts';
import { createFactChanges } from '../adapters/redis/account-facts.ts';
import { createCodes } from '../adapters/redis/codes.ts';
import { createDeviceActivity } from '../adapters/redis/device-activity.ts';
import { createInboxes } from '../adapters/redis/inboxes.ts';
import { createLinks } from '../adapters/redis/links.ts';
import { createOneTimeSecrets } from '../adapters/redis/one-time-secrets.ts';
import { isRedisOutage } from '../adapters/redis/outages.ts';
import { createRegistrationWarnings } from '../adapters/redis/registration-warnings.ts';
import { createRegistrations, type Registrations } from '../adapters/redis/registrations.ts';
import { createSessionEnds } from '../adapters/redis/sessions.ts';
import { createSignalSteps } from '../adapters/redis/signal-steps.ts';
import { createVerificationSessions } from '../adapters/redis/verification-sessions.ts';
import { createWakeUps } from '../adapters/redis/wake-ups.ts';
import { ensureSchedule } from '../adapters/temporal/schedules.ts';
import { type Announcements, createAnnouncements } from '../platform/announcements.ts';
import { type Config, readConfig } from '../platform/config/config.ts';
import { newId } from '../platform/crypto.ts';
import type { Events } from '../platform/events/events.ts';
import { type KeyRing, keysIn } from '../platform/keyring.ts';
import { directorySync } from '../workflows/directory-sync.ts';
import { inboxCare } from '../workflows/inbox-care.ts';
import { purge } from '../workflows/purge.ts';
import { createErasure } from './erasure.ts';
import { runWorker, type WorkerParts, type WorkerTools } from './host.ts';
import { progress } from './progress.ts';

async function build(config: Config<'registration'>, tools: WorkerTools): Promise<WorkerParts> {
  const { log, events, redis } = tools;
  const database = openDatabase(config, log);
  await requireMigrated(database, log);
  const { KEYS: keys } = config;
  const bundle = resolve(config.WORKFLOW_BUNDLE);
  const registrations = createRegistrations(redis);
  const store = openAccounts(database.connection, redis, keys);
  const oneTimeSecrets = createOneTimeSecrets(redis, keys.box('secret-registration'));
  const sessions = createSessionEnds(redis, keys.mac('person'));
  const isOutage = (err: unknown) => isMongoOutage(err) || isRedisOutage(err);
  const { inboxes, conversations, ...deviceStores } = openDeviceStores(database.connection, redis);
  const announcements = createAnnouncements({ inboxes, conversations, events });
  const accounts = createAccountActivities({
    registrations,
    accounts: store,
    sessions,
    devices: deviceStores.devices,
    lockMs: config.REGISTRATION_LOCK_DAYS === 0 ? undefined : config.REGISTRATION_LOCK_DAYS * 86_400_000,
    events,
    oneTimeSecrets,
    passwords: openPasswords(config, log),
    registrationDevices: createRegistrationDevices({
      ...deviceStores,
      registrations,
      events,
      announcements,
      devicesMax: config.DEVICES_MAX,
    }),
    isOutage,
  });
  const credentials = createCredentialActivities({ accounts: store, sessions, oneTimeSecrets, events });
  const erasure = await createErasure(config, {
    ...tools,
    ...deviceStores,
    conversations,
    database: database.connection,
    accounts: store,
    sessions,
  });
  const finding = { accounts: store, isOutage: isMongoOutage, warnings: createRegistrationWarnings(redis), newId };
  const [notifications, recovery] = [createNotificationActivities(finding), createRecoveryActivities(finding)];
  const administration = createUserAdministrationActivities({ accounts: store, sessions, events });
  return {
    options: {
      activities: {
        ...accounts,
        ...codesOf(config, { redis, registrations, events }),
        ...administration,
        ...devicesOf(config, { ...deviceStores, redis, sessions, events, announcements, isOutage }),
        ...notifications,
        ...credentials,
        ...erasure.activities,
        ...recovery,
        ...reencryptionOf(config, database.connection, deviceStores.devices),
        ...accountCareOf({ accounts: store, ...deviceStores, events }),
        ...inboxCareOf(config, { ...deviceStores, redis, inboxes, events }),
      },
      workflowBundle: { codePath: bundle },
    },
    prepare: (connection) => ensureSchedules(connection, config),
    startReads: [bundle],
    checks: [],
    close: () => Promise.all([database[Symbol.asyncDispose](), erasure.close()]).then(() => undefined),
  };
}

/** The local activities of registrations and verifications. */
function codesOf({ KEYS: keys }: Config<'registration'>, { redis, registrations, events }: CodeTools) {
  const codes = createCodes(redis, []);
  const signalSteps = createSignalSteps(redis, { cipher: keys.cipher('signal') });
  return {
    ...createRegistrationActivities({ registrations, events, codes, signalSteps }),
    ...createVerificationActivities({
      sessions: createVerificationSessions(redis, keys.cipher('verification')),
      codes,
    }),
  };
}

interface CodeTools extends Pick<WorkerTools, 'redis' | 'events'> {
  registrations: Registrations;
}

/** The activities of a rotation of keys. */
function reencryptionOf(
  { KEYS: keys }: Config<'registration'>,
  connection: Parameters<typeof createAccounts>[0],
  devices: Devices,
) {
  return createReencryptionActivities({
    reencryption: createReencryption(connection, keysIn(keys, 'identity'), keys.cipher('field')),
    devices,
    passwords: createPasswords(keys.keys('pepper'), 1),
    pushCipher: keys.cipher('push'),
  });
}

/** The store of accounts, whose changes reach the facts in Redis. */
function openAccounts(connection: Parameters<typeof createAccounts>[0], redis: WorkerTools['redis'], keys: KeyRing) {
  const around = createFactChanges(redis);
  return createAccounts(connection, keysIn(keys, 'identity'), keys.cipher('field'), { around });
}

/** The stores of devices and their messages. */
function openDeviceStores(connection: Parameters<typeof createDevices>[0], redis: WorkerTools['redis']) {
  const inboxes = createInboxes(redis);
  return {
    inboxes,
    archive: createArchive(connection),
    conversations: createConversations(connection),
    devices: createDevices(connection, { changed: inboxes.writeDevices, around: createFactChanges(redis) }),
    preKeys: createPreKeys(connection),
  };
}

/** The activities that follow the directory and remove what has expired. */
function accountCareOf(tools: Parameters<typeof createPurgeActivities>[0] & { accounts: Accounts; events: Events }) {
  return {
    ...createIdentityChangeActivities(tools),
    ...createIdentityTransferActivities(tools),
    ...createDirectorySyncActivities(tools),
    ...createPurgeActivities(tools),
  };
}

/** The activities that care for inboxes. */
function inboxCareOf(
  { INBOX_ARCHIVE_AFTER, LINKED_DEVICE_IDLE_DAYS }: Config<'registration'>,
  { redis, ...tools }: Pick<InboxCareDeps, 'inboxes' | 'archive' | 'devices' | 'events'> & Pick<WorkerTools, 'redis'>,
) {
  return createInboxCareActivities({
    ...tools,
    activity: createDeviceActivity(redis),
    newId,
    progress,
    archiveAfterMs: INBOX_ARCHIVE_AFTER * 1000,
    idleMs: LINKED_DEVICE_IDLE_DAYS * 86_400_000,
  });
}

interface DeviceTools
  extends Omit<Parameters<typeof createDeviceActivities>[0], 'activity' | 'preKeys' | 'wakeUps'>,
    Pick<Parameters<typeof createPushRegistrations>[0], 'isOutage'> {
  devices: Devices;
  preKeys: PreKeys;
  redis: WorkerTools['redis'];
  events: Events;
  announcements: Announcements;
}

/** The activities on devices, on links and on push registrations. */
function devicesOf({ KEYS: keys }: Config<'registration'>, { redis, ...tools }: DeviceTools) {
  const pushCipher = keys.cipher('push');
  const wakeUps = createWakeUps(redis);
  return {
    ...createDeviceActivities({ ...tools, wakeUps, activity: createDeviceActivity(redis) }),
    ...createLinkActivities({ ...tools, links: createLinks(redis, tools.announcements) }),
    ...createPushRegistrations({ ...tools, wakeUps, pushCipher }),
  };
}

async function ensureSchedules(connection: NativeConnection, config: Config<'registration'>): Promise<void> {
  const common = { taskQueue: 'registration' };
  await ensureSchedule(connection, config.TEMPORAL_NAMESPACE, {
    ...common,
    id: 'purge',
    workflow: purge,
    everySeconds: config.PURGE_INTERVAL,
    note: 'Removes expired claims of user names, numbers and addresses whose account was never created, and keys without a device',
  });
  await ensureSchedule(connection, config.TEMPORAL_NAMESPACE, {
    ...common,
    id: 'inbox-care',
    workflow: inboxCare,
    everySeconds: config.INBOX_ARCHIVE_INTERVAL,
    note: 'Moves messages that wait for long from Redis to MongoDB, lets old ones expire, and suspends linked devices that nobody uses',
  });
  await ensureSchedule(connection, config.TEMPORAL_NAMESPACE, {
    ...common,
    id: 'directory-sync',
    workflow: directorySync,
    everySeconds: config.DIRECTORY_SYNC_INTERVAL,
    note: 'Disables accounts whose directory entry was disabled or removed, and adopts the new names of people',
  });
}

function openPasswords({ KEYS: keys, ARGON2_CONCURRENCY: atOnce }: Config<'registration'>, log: WorkerTools['log']) {
  log.info({ event: 'argon2.chosen', package: argon2.package, atOnce });
  return createPasswords(keys.keys('pepper'), atOnce);
}

function openDatabase(config: Config<'registration'>, log: WorkerTools['log']) {
  return connectMongo(readMongoPlace(config), (err) =>
    log.warn({ event: 'database.away', reason: (err as Error).message }),
  );
}

if (import.meta.main) {
  const config = readConfig('registration');
  await runWorker('registration', config, (tools) => build(config, tools));
}
