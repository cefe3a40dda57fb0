/**
 * Engines with TLS and an authority of their own, as an installation has them: Redis and the directory speak TLS themselves;
 * Temporal, MongoDB and Elasticsearch, whose builds for tests do not, have a proxy in front.
 */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataFolder } from '../../engines/data-folder.ts';
import {
  type Certificates,
  type ClientCertificate,
  createCertificates,
  createClientCertificate,
} from '../../engines/directory/certificates.ts';
import { startDirectory } from '../../engines/ldap.ts';
import { startRedis } from '../../engines/redis.ts';
import { testEngines } from './engines.ts';
import { newAclKey } from './redis-servers.ts';
import { startGrpcProxy, startHttpProxy, startTlsProxy, type TlsProxy } from './tls-proxies.ts';

/** The engines, and how a system reaches them. */
interface PrivateEngines {
  /** The variables of a system; certificates and API keys are given as files. */
  env: Record<string, string>;
  folder: string;
  certificates: Certificates;
  client: ClientCertificate;
  temporal: TlsProxy;
  /** The API keys that Temporal accepts, and the file that has one. */
  temporalKeys: string[];
  temporalKeyFile: string;
  mongo: TlsProxy;
  elastic: TlsProxy;
}

/** Starts the engines in a folder, which stops them when it is closed. */
export async function startPrivateEngines(folder: DataFolder): Promise<PrivateEngines> {
  const { temporalAddress, databaseUrl, elasticsearchUrl = '' } = testEngines();
  const path = join(folder.path, 'tls');
  const certificates = await createCertificates(path, 'valid');
  const client = await createClientCertificate(path, 'vyry');
  const aclKey = newAclKey();
  const temporalKeys = [newKey()];
  const elasticKeys = [newKey()];
  const keyFiles = { temporal: join(path, 'temporal-key'), elastic: join(path, 'elastic-key') };
  await writeFile(keyFiles.temporal, temporalKeys.join());
  await writeFile(keyFiles.elastic, `${elasticKeys}\n`);
  const [redis, directory, temporal, mongo, elastic] = await Promise.all([
    startRedis({ folder, appendfsync: 'always', tls: certificates, aclKey }),
    startDirectory(folder, { certificate: 'valid' }),
    startGrpcProxy(temporalAddress, { certificates, apiKeys: temporalKeys }),
    startTlsProxy(Number(new URL(databaseUrl).port), { certificates }),
    startHttpProxy(elasticsearchUrl, { certificates, wantsCertificate: false, apiKeys: elasticKeys }),
  ]);
  for (const proxy of [temporal, mongo, elastic]) folder.onClose(async () => await proxy[Symbol.asyncDispose]());
  const certificateOf = (prefix: string) => ({
    [`${prefix}_CA_FILE`]: certificates.caFile,
    [`${prefix}_CERT_FILE`]: client.certificateFile,
    [`${prefix}_KEY_FILE`]: client.keyFile,
  });
  const elasticUrl = `https://${elastic.address}`;
  return {
    env: {
      REDIS_URL: redis.url,
      REDIS_ACL_KEY: aclKey.reveal(),
      ...certificateOf('REDIS'),
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_SERVER_NAME: 'localhost',
      TEMPORAL_API_KEY_FILE: keyFiles.temporal,
      ...certificateOf('TEMPORAL'),
      DATABASE_URL: `mongodb://${mongo.address}/?directConnection=true`,
      ...certificateOf('DATABASE'),
      ELASTICSEARCH_URL: elasticUrl,
      PRIVACY_ELASTICSEARCH_URL: elasticUrl,
      ELASTICSEARCH_API_KEY_FILE: keyFiles.elastic,
      PRIVACY_ELASTICSEARCH_API_KEY_FILE: keyFiles.elastic,
      ELASTICSEARCH_CA_FILE: certificates.caFile,
      LDAP_URL: directory.tlsUrl ?? '',
      LDAP_TLS_CA_FILE: join(folder.path, 'ldap', 'tls', 'ca.pem'),
    },
    folder: path,
    certificates,
    client,
    temporal,
    temporalKeys,
    temporalKeyFile: keyFiles.temporal,
    mongo,
    elastic,
  };
}

/** Returns a new API key. */
export function newKey(): string {
  return randomBytes(16).toString('hex');
}
