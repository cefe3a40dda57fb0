// @rerun never
/**
 * The whole product on engines with TLS, an authority of their own, client certificates and API keys. Every process has
 * the permissions of its role, so it may read the named files and no others.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, describe, it } from 'node:test';
import { redisUrlOf } from '../../adapters/redis/acl.ts';
import type { Finding } from '../../cli/checks/finding.ts';
import { checkLdap } from '../../cli/checks/ldap.ts';
import { checkRedisUsers } from '../../cli/checks/redis-users.ts';
import { checkElastic, checkMongo, checkRedis } from '../../cli/checks/stores.ts';
import { checkTemporal } from '../../cli/checks/temporal.ts';
import { openTemporaryFolder } from '../../engines/data-folder.ts';
import { createClientCertificate } from '../../engines/directory/certificates.ts';
import { givenValues } from '../../platform/config/config.ts';
import { Secret } from '../../platform/config/secret.ts';
import { variables } from '../../platform/config/variables.ts';
import { journeyVariables, liveThrough, register } from '../support/engine-journey.ts';
import { newKey, startPrivateEngines } from '../support/private-engines.ts';
import { startOwnTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';
import { jsonOf, vyryFor } from '../support/vyry.ts';

const folder = await openTemporaryFolder();
const engines = await startPrivateEngines(folder);
const system = await startOwnTestSystem({ elasticsearch: true, env: { ...journeyVariables, ...engines.env } });
after(async () => {
  await system.stop();
  await folder.close();
});

/** Registration, directory and delivery. */
const workers = 3;

/** The variables of an operator, some of them replaced. */
const without = (...names: string[]) => {
  const { operator, env } = system.processes;
  const { REDIS_URL: url = '', REDIS_ACL_KEY: aclKey = '' } = engines.env;
  const own = { ...operator, REDIS_URL: redisUrlOf(url, new Secret(aclKey), 'operator') };
  const all = { ...engines.env, ...env('api'), ...env('directory'), ...own };
  const kept = Object.entries(all).filter(([name]) => !names.includes(name));
  return givenValues(Object.keys(variables), Object.fromEntries(kept));
};

describe('on engines with TLS and an authority of their own', () => {
  it('people register, log in and write to each other, and the audit log has it', async () => {
    await liveThrough(system.ready);
    const vyry = vyryFor(system);
    await until(async () => jsonOf(await vyry(['audit', 'verify', '--json'])).waiting === 0);
    // a check gives up after a while, as on a machine with much else to do
    await until(async () => {
      const env = without();
      const checks = [
        checkRedis(env),
        checkRedisUsers(env),
        checkTemporal(env),
        checkMongo(env),
        checkElastic(env),
        checkLdap(env),
      ];
      return (await Promise.all(checks)).flat().every(({ verdict }) => verdict !== 'failed');
    });
    assert.equal(engines.temporal.refused() + engines.elastic.refused(), 0);
    for (const { certificates } of [engines.temporal, engines.mongo]) assert.equal(new Set(certificates).size, 1);
  });

  it('the certificate and the API key for Temporal are renewed while every process runs', async () => {
    const { temporal, temporalKeys, temporalKeyFile } = engines;
    const [former] = temporal.certificates;
    const renewed = () => temporal.certificates.filter((serial) => serial !== former).length;
    temporalKeys.push(newKey());
    await writeFile(temporalKeyFile, temporalKeys.at(-1) ?? '');
    await createClientCertificate(engines.folder, 'vyry');
    // every worker connects again
    await until(() => renewed() >= workers);
    temporalKeys.shift();
    const before = renewed();
    temporal.cut();
    await register(system.ready, 3);
    // the workers, and the api
    assert.ok(renewed() - before > workers);
  });

  it('vyry doctor says which certificate or key is missing', async () => {
    /** Repeats a check that gave up before there was an answer. */
    const says = (check: () => Promise<Finding[]>, expected: RegExp) =>
      until(async () => {
        const [finding] = await check();
        return expected.test(`${finding?.verdict}: ${finding?.about}. ${finding?.advice}`);
      });
    const wrongKey = { ...without(), TEMPORAL_API_KEY: 'wrong', ELASTICSEARCH_API_KEY: 'wrong' };
    const noCertificate = without('DATABASE_CERT_FILE', 'DATABASE_KEY_FILE');
    await Promise.all([
      says(() => checkRedis(without('REDIS_CA_FILE')), /failed.*not trusted.*REDIS_CA_FILE/),
      says(() => checkTemporal(without('TEMPORAL_CA_FILE')), /failed.*not trusted.*TEMPORAL_CA_FILE/),
      says(() => checkMongo(noCertificate), /failed.*client certificate.*DATABASE_CERT_FILE/),
      says(() => checkElastic(without('ELASTICSEARCH_CA_FILE')), /failed.*not trusted.*ELASTICSEARCH_CA_FILE/),
      says(() => checkTemporal(wrongKey), /failed.*refuses this identity.*TEMPORAL_API_KEY/),
      says(() => checkElastic(wrongKey), /failed.*refuses the API key/),
    ]);
  });
});
