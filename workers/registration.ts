// @permissions net, addons, worker, read(WORKFLOW_BUNDLE), read(/etc/alpine-release)
/**
 * The role `registration`: hosts the workflows, and the activities on MongoDB and Redis.
 * The one system file is probed by the loader of the argon2 package; threads run the workflow sandbox.
 */
import { resolve } from 'node:path';
import { createAccountActivities } from '../activities/accounts.ts';
import { createCredentialActivities } from '../activities/credentials.ts';
import { createDirectoryWatchActivities } from '../activities/directory-watch.ts';
import { createIdentityChangeActivities } from '../activities/identity-change.ts';
import { createNoticeActivities } from '../activities/notices.ts';
import { createPurgeActivities } from '../activities/purge.ts';
import { createRecoveryActivities } from '../activities/recovery.ts';
import { createRegistrationActivities } from '../activities/registration.ts';
import { createUserAccessActivities } from '../activities/user-access.ts';
import { createVerificationActivities } from '../activities/verification.ts';
import { createAccounts } from '../adapters/mongo/accounts.ts';
import { connectMongo, isMongoOutage } from '../adapters/mongo/connect.ts';
import { createPasswords } from '../adapters/passwords.ts';
import { createCodes } from '../adapters/redis/codes.ts';
import { isRedisOutage } from '../adapters/redis/connect.ts';
import { createRegistrationWarnings } from '../adapters/redis/registration-warnings.ts';
import { createRegistrations } from '../adapters/redis/registrations.ts';
import { createSeals } from '../adapters/redis/seals.ts';
import { createSessions } from '../adapters/redis/sessions.ts';
import { createVerificationSessions } from '../adapters/redis/verification-sessions.ts';
import { ensureSchedule } from '../adapters/temporal/schedules.ts';
import { type Config, readConfig } from '../platform/config.ts';
import { createBox, deriveKey, newId } from '../platform/crypto.ts';
import { directoryWatch } from '../workflows/directory-watch.ts';
import { purge } from '../workflows/purge.ts';
import { createErasure } from './erasure.ts';
import { runWorker, type WorkerParts, type WorkerTools } from './host.ts';

/** A system file that the loader of the argon2 package looks for. */
const loaderProbe = '/etc/alpine-release';

async function build(config: Config<'registration'>, tools: WorkerTools): Promise<WorkerParts> {
  const { log, events, redis } = tools;
  const database = openDatabase(config, log);
  const { PAYLOAD_KEY: payloadKey, PAYLOAD_KEYS_OLD: olderKeys, DATA_KEY: dataKey } = config;
  const bundle = resolve(config.WORKFLOW_BUNDLE);
  const registrations = createRegistrations(redis);
  const sealBox = createBox('seal', payloadKey, olderKeys);
  const store = createAccounts(database.connection, deriveKey(dataKey, 'identity'), createBox('field', dataKey));
  const seals = createSeals(redis, sealBox);
  const sessions = createSessions(redis);
  const accounts = createAccountActivities({
    registrations,
    accounts: store,
    sessions,
    events,
    seals,
    passwords: createPasswords(deriveKey(dataKey, 'pepper'), config.ARGON2_CONCURRENCY),
    isOutage: (err) => isMongoOutage(err) || isRedisOutage(err),
  });
  const credentials = createCredentialActivities({ accounts: store, sessions, seals, events });
  const erasure = await createErasure(config, { ...tools, database: database.connection, accounts: store, sessions });
  const identities = createIdentityChangeActivities({ accounts: store, events });
  const codes = createCodes(redis, deriveKey(payloadKey, 'code'), sealBox);
  const registration = createRegistrationActivities({ registrations, events, codes });
  const verification = createVerificationActivities({ sessions: createVerificationSessions(redis, sealBox), codes });
  const finding = { accounts: store, isOutage: isMongoOutage, warnings: createRegistrationWarnings(redis), newId };
  const [notices, recovery] = [createNoticeActivities(finding), createRecoveryActivities(finding)];
  const purging = createPurgeActivities({ accounts: store, events });
  const watching = createDirectoryWatchActivities({ accounts: store, events });
  const access = createUserAccessActivities({ accounts: store, sessions, events });
  return {
    options: {
      activities: {
        ...accounts,
        ...registration,
        ...verification,
        ...access,
        ...notices,
        ...credentials,
        ...identities,
        ...erasure.activities,
        ...recovery,
        ...purging,
        ...watching,
      },
      workflowBundle: { codePath: bundle },
    },
    prepare: async (connection) => {
      const common = { taskQueue: 'registration' };
      await ensureSchedule(connection, config.TEMPORAL_NAMESPACE, {
        ...common,
        id: 'purge',
        workflow: purge,
        everySeconds: config.PURGE_INTERVAL,
        note: 'Removes what has expired: claims of names, numbers and addresses whose account never came to be',
      });
      await ensureSchedule(connection, config.TEMPORAL_NAMESPACE, {
        ...common,
        id: 'directory-watch',
        workflow: directoryWatch,
        everySeconds: config.DIRECTORY_WATCH_INTERVAL,
        note: 'Disables people whose entry in the directory was disabled or removed',
      });
    },
    startReads: [bundle, loaderProbe],
    checks: [],
    close: () => Promise.all([database[Symbol.asyncDispose](), erasure.close()]).then(() => undefined),
  };
}

function openDatabase({ DATABASE_URL }: Config<'registration'>, log: WorkerTools['log']) {
  return connectMongo(DATABASE_URL, (err) => log.warn({ event: 'database.away', reason: (err as Error).message }));
}

if (import.meta.main) {
  const config = readConfig('registration');
  await runWorker('registration', config, (tools) => build(config, tools));
}
