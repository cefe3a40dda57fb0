/** `vyry redis-acl`: the users of Redis, for its ACL file and for the configuration of the processes. */
import { aclFile, redisAdministrator, redisUrlOf, redisUsers } from '../adapters/redis/acl.ts';
import { readVariables } from '../platform/config/config.ts';
import type { Command } from './command.ts';

/** The command `vyry redis-acl`. */
export const redisAcl: Command = {
  positionals: [],
  about: 'Prints the ACL file of Redis: a user for each role and one for the operator, with hashes of their passwords.',
  details:
    'The passwords are derived from REDIS_ACL_KEY; those of REDIS_ACL_KEYS_OLD are accepted too. Save the output as the aclfile of redis.conf, then run ACL LOAD or restart Redis.',
  options: {
    urls: { about: 'print REDIS_URL of each user instead, with its password, also that of the administrator, default' },
  },
  async run({ flags, env, show }) {
    const { REDIS_ACL_KEY: root, REDIS_ACL_KEYS_OLD: older } = readVariables(
      ['REDIS_ACL_KEY', 'REDIS_ACL_KEYS_OLD'],
      env,
    );
    if (root === undefined) throw new Error('REDIS_ACL_KEY is not set. vyry keys new prints a value for it.');
    if (!flags.has('urls')) {
      const file = aclFile(root, older);
      show({ json: { file }, text: file.trimEnd() });
      return;
    }
    const { REDIS_URL: url } = readVariables(['REDIS_URL'], env);
    const users = [...redisUsers, redisAdministrator] as const;
    const urls = Object.fromEntries(users.map((user) => [user, redisUrlOf(url, root, user)]));
    const lines = Object.entries(urls).map(([user, own]) => `REDIS_URL_${user.toUpperCase()}=${own}`);
    show({ json: urls, text: lines.join('\n') });
  },
};
