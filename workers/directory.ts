// @permissions net, addons, files
/** The role `directory`: hosts the LDAP activities. Only this role has the password of the service account. */
import { createDirectoryActivities } from '../activities/directory.ts';
import { parseEmailAddress } from '../adapters/email-addresses.ts';
import { connectDirectory, readDirectoryOptions } from '../adapters/ldap/connect.ts';
import { parsePhoneNumber, phoneRefusal } from '../adapters/phone-numbers.ts';
import { createOneTimeSecrets } from '../adapters/redis/one-time-secrets.ts';
import { createRateLimits } from '../adapters/redis/rate-limits.ts';
import { directoryTries } from '../domain/limits.ts';
import { pseudonymOf } from '../platform/audit.ts';
import { type Config, readConfig } from '../platform/config/config.ts';
import { keyedHash, newId } from '../platform/crypto.ts';
import { runWorker, type WorkerParts, type WorkerTools } from './host.ts';

async function build(config: Config<'directory'>, { events, redis }: WorkerTools): Promise<WorkerParts> {
  const directory = connectDirectory(readDirectoryOptions(config));
  const oneTimeSecrets = createOneTimeSecrets(redis, config.KEYS.box('secret-directory'));
  const limitKey = config.KEYS.lasting('limit');
  return {
    options: {
      activities: createDirectoryActivities({
        directory,
        oneTimeSecrets,
        events,
        parsePhoneNumber,
        parseEmailAddress,
        phoneRefusal: (number) => phoneRefusal(number, config.COUNTRIES_ALLOWED),
        rateLimits: createRateLimits(redis),
        entryTries: directoryTries(config),
        newId,
        limitHash: (kind, text) => keyedHash(limitKey, kind, text),
        pseudonym: (name) => pseudonymOf(name, config.KEYS.key('pseudonym')),
        phoneRegion: config.PHONE_REGION,
      }),
    },
    startReads: [],
    checks: [{ name: 'ldap', check: () => directory.ping() }],
    close: () => directory.close(),
  };
}

if (import.meta.main) {
  const config = readConfig('directory');
  await runWorker('directory', config, (tools) => build(config, tools));
}
