/** Everything that a system stores, as texts that can be searched for secrets and personal data. */
import { globSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { System } from '../../engines/system.ts';
import { call } from './client.ts';
import type { Stores } from './stores.ts';
import { until } from './until.ts';

/** Texts by location. */
export type Footprint = Record<string, string>;

/** The data in Temporal: every full history, as stored and as the codec endpoint shows it to operators. */
export interface TemporalFootprint {
  /** Histories, followed by each payload decoded from base64. */
  stored: Footprint;
  /** Payloads decrypted by the codec endpoint. */
  decoded: Footprint;
  /** Every failure in the histories. */
  failures: Failure[];
}

interface Failure {
  message?: string;
  source?: string;
  stackTrace?: string;
  cause?: Failure;
  applicationFailureInfo?: { type?: string };
}

interface Payload {
  metadata: Record<string, string>;
  data: string;
}

/** Returns the logs of all processes and engines of a system. */
export function readLogs({ folder }: System): Footprint {
  return Object.fromEntries(
    globSync(join(folder.logs, '*')).map((file) => [`log ${basename(file)}`, readFileSync(file, 'utf8')]),
  );
}

/** Returns every Redis key with its value, and the append-only file with every write since the start. */
export async function readRedis({ folder }: System, { redis, keys }: Stores): Promise<Footprint> {
  const footprint: Footprint = {};
  for (const key of await keys('*')) footprint[`redis ${key}`] = `${key} ${JSON.stringify(await readKey(redis, key))}`;
  for (const file of globSync(join(folder.path, 'redis', '**', '*'))) {
    if (statSync(file).isFile()) footprint[`redis file ${basename(file)}`] = readFileSync(file, 'latin1');
  }
  return footprint;
}

async function readKey(redis: Stores['redis'], key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'string':
      return redis.get(key);
    case 'hash':
      return redis.hgetall(key);
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return redis.smembers(key);
    case 'zset':
      return redis.zrange(key, '0', '-1', 'WITHSCORES');
    case 'stream':
      return redis.xrange(key, '-', '+');
    case 'none':
      // expired meanwhile
      return null;
    default:
      throw new Error(`Key ${key} has an unsupported type`);
  }
}

/** Returns every document of every collection. */
export async function readDatabase({ database }: Stores): Promise<Footprint> {
  const footprint: Footprint = {};
  for (const { name } of (await database.db?.listCollections().toArray()) ?? []) {
    const documents = await database.collection(name).find().toArray();
    footprint[`database ${name}`] = JSON.stringify(documents);
  }
  return footprint;
}

/** Returns every shipped audit event; resolves when none is pending. */
export async function readAuditIndex({ processes }: System, { redis }: Stores): Promise<Footprint> {
  const { ELASTICSEARCH_URL: url, AUDIT_INDEX: prefix } = processes.env('audit');
  await until(async () => (await redis.xlen('audit')) === 0);
  await fetch(`${url}/${prefix}-*/_refresh`, { method: 'POST' });
  const found = await fetch(`${url}/${prefix}-*/_search?size=10000`);
  const { hits } = (await found.json()) as { hits: { hits: { _index: string; _source: { action: string } }[] } };
  const footprint: Footprint = {};
  for (const { _index, _source } of hits.hits) {
    const place = `elasticsearch ${_index} ${_source.action}`;
    footprint[place] = `${footprint[place] ?? ''}${JSON.stringify(_source)}\n`;
  }
  return footprint;
}

/** Returns the histories, and the data in workflow lists: ids, types, task queues, search attributes and memos. */
export async function readTemporal(system: System, { temporal }: Stores): Promise<TemporalFootprint> {
  const stored: Footprint = {};
  const decoded: Footprint = {};
  const failures: Failure[] = [];
  const list = await temporal.workflowService.listWorkflowExecutions({ namespace: temporal.options.namespace });
  stored['temporal list'] = withPayloads(JSON.parse(JSON.stringify(list)));
  for (const { execution } of list.executions ?? []) {
    const workflowId = execution?.workflowId ?? '';
    const history: unknown = JSON.parse(historyToJSON(await temporal.workflow.getHandle(workflowId).fetchHistory()));
    stored[`history ${workflowId}`] = withPayloads(history);
    const shown = await decode(system.ready.codecUrl, findAll(history, isPayload));
    decoded[`decoded history ${workflowId}`] = shown.map(({ data }) => fromBase64(data)).join('\n');
    failures.push(...findAll(history, isFailure));
  }
  return { stored, decoded, failures };
}

/** Returns the metrics, which anyone can scrape. */
export async function readMetrics(system: System): Promise<Footprint> {
  const response = await fetch(`${system.ready.apiUrl}/metrics`);
  return { metrics: await response.text() };
}

/** Returns the locations that contain a text in plain text, base64, hexadecimal or URL encoding. */
export function search(footprint: Footprint, text: string): string[] {
  const forms = formsOf(text);
  return Object.keys(footprint).filter((place) => forms.some((isIn) => isIn(footprint[place] ?? '')));
}

type Form = (searched: string) => boolean;

function formsOf(text: string): Form[] {
  const bytes = Buffer.from(text);
  // in base64 a text has one of three forms, depending on its offset; its first and last characters depend on its
  // neighbors
  const inBase64 = [0, 1, 2].map((shift) => {
    const encoded = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString('base64')
      .replaceAll('=', '');
    return encoded.slice(shift === 0 ? 0 : shift + 1, (bytes.length + shift) % 3 === 0 ? undefined : -1);
  });
  const forms = [encodeURIComponent(text), bytes.toString('hex'), ...inBase64];
  const inBase64Url = inBase64.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'));
  const encodings = [...forms, ...inBase64Url].filter((form) => form !== text);
  return [
    inClear(text),
    ...encodings.map(
      (form): Form =>
        (searched) =>
          searched.includes(form),
    ),
  ];
}

/** Digits inside a longer number are not a match. */
function inClear(text: string): Form {
  if (!/^\d+$/.test(text)) return (searched) => searched.includes(text);
  const whole = new RegExp(`(?<!\\d)${text}(?!\\d)`);
  return (searched) => whole.test(searched);
}

function withPayloads(history: unknown): string {
  const payloads = findAll(history, isPayload).map(({ data }) => fromBase64(data));
  return [JSON.stringify(history), ...payloads].join('\n');
}

function fromBase64(text: string): string {
  return Buffer.from(text, 'base64').toString();
}

async function decode(codecUrl: string, payloads: Payload[]): Promise<Payload[]> {
  const answer = await call(codecUrl, 'POST', '/decode', { body: { payloads } });
  if (answer.status !== 200) throw new Error(`POST /decode: ${answer.status}`);
  return answer.body.payloads;
}

function isPayload(value: object): value is Payload {
  return 'metadata' in value && 'data' in value && typeof value.data === 'string';
}

function isFailure(value: object): value is Failure {
  return 'message' in value && ('source' in value || 'stackTrace' in value || 'encodedAttributes' in value);
}

/** Returns every object of a kind inside a value. */
function findAll<T extends object>(value: unknown, is: (value: object) => value is T): T[] {
  if (typeof value !== 'object' || value === null) return [];
  const inside = Object.values(value).flatMap((part) => findAll(part, is));
  return is(value) ? [value, ...inside] : inside;
}
