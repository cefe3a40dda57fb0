// @permissions net, addons
/** The role `directory`: hosts what asks LDAP. It alone holds the password of the service account. */
import { createDirectoryActivities } from '../activities/directory.ts';
import { parseEmailAddress } from '../adapters/email-addresses.ts';
import { connectDirectory } from '../adapters/ldap/connect.ts';
import { parsePhoneNumber } from '../adapters/phone-numbers.ts';
import { createSeals } from '../adapters/redis/seals.ts';
import { type Config, readConfig } from '../platform/config.ts';
import { createBox } from '../platform/crypto.ts';
import { runWorker, type WorkerParts, type WorkerTools } from './host.ts';

async function build(config: Config<'directory'>, { events, redis }: WorkerTools): Promise<WorkerParts> {
  const directory = connectDirectory({
    urls: config.LDAP_URL,
    startTls: config.LDAP_START_TLS,
    ca: config.LDAP_TLS_CA,
    bindDn: config.LDAP_BIND_DN,
    bindPassword: config.LDAP_BIND_PASSWORD,
    baseDn: config.LDAP_BASE_DN,
    userFilter: config.LDAP_USER_FILTER,
    attributes: {
      id: config.LDAP_ATTRIBUTE_ID,
      username: config.LDAP_ATTRIBUTE_USERNAME,
      name: config.LDAP_ATTRIBUTE_NAME,
      mail: config.LDAP_ATTRIBUTE_MAIL,
      phone: config.LDAP_ATTRIBUTE_PHONE,
      groups: config.LDAP_ATTRIBUTE_GROUPS,
    },
    timeoutMs: config.LDAP_TIMEOUT,
    poolMax: config.LDAP_POOL_MAX,
  });
  const seals = createSeals(redis, createBox('seal', config.PAYLOAD_KEY, config.PAYLOAD_KEYS_OLD));
  return {
    options: {
      activities: createDirectoryActivities({
        directory,
        seals,
        events,
        parsePhoneNumber,
        parseEmailAddress,
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
