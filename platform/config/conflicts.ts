/** Variables that do not go together: each is valid by itself. */
import type { z } from 'zod';
import type { Variables } from './variables.ts';

/** Any variables, parsed. A process has only those of its role. */
type Values = { readonly [N in keyof Variables]?: z.output<Variables[N]['schema']> };

/** Returns what is wrong with the values together; the texts name variables, never their values. */
export function conflictsIn(values: Values): string[] {
  return [...halfCertificates(values), ...conflictsOfRedis(values)];
}

function halfCertificates(values: Values): string[] {
  const pairs = [
    ['DATABASE_CERT', 'DATABASE_KEY'],
    ['REDIS_CERT', 'REDIS_KEY'],
    ['TEMPORAL_CERT', 'TEMPORAL_KEY'],
  ] as const;
  return pairs
    .filter(([cert, key]) => (values[cert] === undefined) !== (values[key] === undefined))
    .map(([cert, key]) => `${cert} and ${key} need each other`);
}

function conflictsOfRedis({ REDIS_URL: url = '', ...values }: Values): string[] {
  const isCluster = values.REDIS_CLUSTER_NODES !== undefined;
  const hasTls = values.REDIS_CA !== undefined || values.REDIS_CERT !== undefined;
  const found: [isFound: boolean, problem: string][] = [
    [isCluster && values.REDIS_SENTINELS !== undefined, 'REDIS_SENTINELS and REDIS_CLUSTER_NODES exclude each other'],
    [isCluster && /^\/[1-9]/.test(pathOf(url)), 'REDIS_URL names a database, and a Redis Cluster has only one'],
    [hasTls && !url.startsWith('rediss:'), 'REDIS_CA and REDIS_CERT are for TLS: REDIS_URL must begin with rediss://'],
    [
      isCluster && values.MESSAGE_DURABILITY === 'replica',
      'MESSAGE_DURABILITY=replica needs one primary: in a Redis Cluster, WAIT covers only the node that it is sent to; set disk or memory',
    ],
  ];
  return found.filter(([isFound]) => isFound).map(([, problem]) => problem);
}

function pathOf(url: string): string {
  return URL.canParse(url) ? new URL(url).pathname : '';
}
