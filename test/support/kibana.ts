/**
 * A fake of Kibana's import and rule APIs that follows their documentation and schemas: what it refuses, Kibana
 * refuses. https://www.elastic.co/docs/api/doc/kibana
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

interface SavedObject {
  type: string;
  id: string;
  references: { type: string; id: string }[];
  typeMigrationVersion: string;
}
type Rule = Record<string, unknown> & { actions: Record<string, unknown>[] };

/** Options of the fake. */
export interface KibanaOptions {
  version?: string;
  /** The only accepted `Authorization` header. */
  authorization?: string;
  space?: string;
  /** Ids of rules that exist in another space. */
  taken?: string[];
  /** Types of saved objects that are refused. */
  refusedTypes?: string[];
  /** The error for all detection rules. */
  refusedDetection?: string;
  /** Fixed responses by path. */
  answers?: Record<string, { status: number; body: unknown; location?: string }>;
  tls?: { key: string; cert: string };
}

/** A running fake with the imported objects. */
export interface FakeKibana extends AsyncDisposable {
  url: string;
  objects: Map<string, SavedObject>;
  rules: Map<string, Rule>;
  detectionRules: Map<string, Record<string, unknown>>;
  /** `METHOD path` of every request. */
  requests: string[];
}

const createKeys = [
  'name',
  'tags',
  'rule_type_id',
  'consumer',
  'schedule',
  'enabled',
  'alert_delay',
  'params',
  'actions',
];
const updateKeys = createKeys.filter((key) => !['rule_type_id', 'consumer', 'enabled'].includes(key));
const actionKeys = ['group', 'id', 'params', 'frequency', 'uuid', 'alerts_filter', 'use_alert_data_for_template'];

class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Starts the fake on a free port. */
export async function startKibana(options: KibanaOptions = {}): Promise<FakeKibana> {
  const stand = { objects: new Map(), rules: new Map(), detectionRules: new Map(), requests: [] as string[] };
  const listener: RequestListener = (req, res) => void answer(req, res, stand, options);
  const server = options.tls ? createTlsServer(options.tls, listener) : createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    ...stand,
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

type Stand = Pick<FakeKibana, 'objects' | 'rules' | 'detectionRules' | 'requests'>;

async function answer(req: IncomingMessage, res: ServerResponse, stand: Stand, options: KibanaOptions): Promise<void> {
  const send = (status: number, body: unknown, headers: Record<string, string> = {}) =>
    res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of req as AsyncIterable<Buffer>) chunks.push(chunk);
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://kibana.invalid');
    stand.requests.push(`${req.method} ${pathname}`);
    const path = pathOf(pathname, options.space);
    const ready = options.answers?.[path];
    if (ready) return void send(ready.status, ready.body, ready.location ? { location: ready.location } : {});
    refuseStrangers(req, options);
    const overwrite = searchParams.get('overwrite') === 'true';
    send(200, await respond(path, req, Buffer.concat(chunks), overwrite, stand, options));
  } catch (err) {
    const status = err instanceof Refusal ? err.status : 500;
    send(status, { statusCode: status, error: 'Refused', message: (err as Error).message });
  }
}

function pathOf(pathname: string, space: string | undefined): string {
  const prefix = space === undefined ? '' : `/s/${space}`;
  if (!pathname.startsWith(`${prefix}/api/`)) throw new Refusal(404, 'Not Found');
  return pathname.slice(prefix.length);
}

function refuseStrangers({ method, headers }: IncomingMessage, { authorization }: KibanaOptions): void {
  if (authorization !== undefined && headers.authorization !== authorization) throw new Refusal(401, 'Unauthorized');
  if (method === 'GET' || headers['kbn-xsrf'] !== undefined) return;
  throw new Refusal(400, 'Request must contain a kbn-xsrf header.');
}

async function respond(
  path: string,
  req: IncomingMessage,
  body: Buffer,
  overwrite: boolean,
  stand: Stand,
  options: KibanaOptions,
): Promise<unknown> {
  if (path === '/api/status') return { name: 'kibana', version: { number: options.version ?? '8.19.0' } };
  if (path === '/api/saved_objects/_import') {
    return importObjects(await linesOfForm<SavedObject>(req, body), overwrite, stand, options);
  }
  if (path === '/api/detection_engine/rules/_import') {
    return importDetection(await linesOfForm(req, body), overwrite, stand, options);
  }
  const id = /^\/api\/alerting\/rule\/([0-9a-f-]{36})$/.exec(path)?.[1];
  if (id === undefined) throw new Refusal(404, 'Not Found');
  return rule(req.method ?? '', id, body, stand, options);
}

async function linesOfForm<T>(req: IncomingMessage, body: Buffer): Promise<T[]> {
  const headers = { 'content-type': req.headers['content-type'] ?? '' };
  const file = (await new Response(new Uint8Array(body), { headers }).formData()).get('file');
  if (!(file instanceof File)) throw new Refusal(400, '[request body.file]: expected a file');
  if (!file.name.endsWith('.ndjson')) throw new Refusal(400, `Invalid file extension of ${file.name}`);
  return (await file.text())
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

/** Responds with 200 even if objects are refused; a duplicate type and id refuses the whole import. */
function importObjects(objects: SavedObject[], overwrite: boolean, stand: Stand, options: KibanaOptions) {
  const keyOf = ({ type, id }: { type: string; id: string }) => `${type}:${id}`;
  if (new Set(objects.map(keyOf)).size < objects.length) throw new Refusal(400, 'Non-unique import objects detected');
  const isThere = (reference: { type: string; id: string }) =>
    stand.objects.has(keyOf(reference)) || objects.some((object) => keyOf(object) === keyOf(reference));
  const errors = objects.flatMap((object) => {
    const { type, id } = object;
    const missing = object.references.filter((it) => ['index-pattern', 'search'].includes(it.type) && !isThere(it));
    if (options.refusedTypes?.includes(type)) return [{ type, id, meta: {}, error: { type: 'unsupported_type' } }];
    if (missing.length > 0) return [{ type, id, meta: {}, error: { type: 'missing_references', references: missing } }];
    if (!overwrite && stand.objects.has(keyOf(object))) return [{ type, id, meta: {}, error: { type: 'conflict' } }];
    stand.objects.set(keyOf(object), object);
    return [];
  });
  const success = errors.length === 0;
  return { success, successCount: objects.length - errors.length, ...(!success && { errors }), warnings: [] };
}

function importDetection(rules: Record<string, unknown>[], overwrite: boolean, stand: Stand, options: KibanaOptions) {
  const errors = rules.flatMap((detection) => {
    const id = String(detection.rule_id);
    const message = options.refusedDetection ?? detectionComplaint(detection);
    if (message !== undefined) return [{ rule_id: id, error: { status_code: 400, message } }];
    if (!overwrite && stand.detectionRules.has(id)) {
      return [{ rule_id: id, error: { status_code: 409, message: 'already exists' } }];
    }
    stand.detectionRules.set(id, detection);
    return [];
  });
  return {
    success: errors.length === 0,
    success_count: rules.length - errors.length,
    rules_count: rules.length,
    errors,
    exceptions_success: true,
    exceptions_success_count: 0,
    exceptions_errors: [],
  };
}

function detectionComplaint(detection: Record<string, unknown>): string | undefined {
  const needed = ['rule_id', 'name', 'description', 'type', 'query', 'threshold', 'severity', 'risk_score'];
  return needed.filter((key) => detection[key] === undefined).map((key) => `${key}: Required`)[0];
}

function rule(method: string, id: string, body: Buffer, stand: Stand, { taken = [] }: KibanaOptions): Rule {
  const there = stand.rules.get(id);
  if (method !== 'POST' && there === undefined) throw new Refusal(404, `Saved object [alert/${id}] not found`);
  if (method === 'POST' && (there !== undefined || taken.includes(id))) throw new Refusal(409, 'version conflict');
  if (method === 'GET' && there) return there;
  const given = JSON.parse(body.toString()) as Rule;
  const allowed = method === 'POST' ? createKeys : updateKeys;
  const unknown = Object.keys(given).find((key) => !allowed.includes(key));
  if (unknown) throw new Refusal(400, `[request body.${unknown}]: definition for this key is missing`);
  for (const action of given.actions) {
    const foreign = Object.keys(action).find((key) => !actionKeys.includes(key));
    if (foreign) throw new Refusal(400, `[request body.actions.${foreign}]: definition for this key is missing`);
  }
  refuseParams(given.params as Record<string, unknown>);
  stand.rules.set(id, { ...there, ...given });
  return { ...there, ...given };
}

/** The parameter checks of the rule type `.es-query`. */
function refuseParams({
  esQuery,
  index,
  timeField,
  threshold,
  thresholdComparator,
  groupBy,
  ...params
}: Record<string, unknown>) {
  const { query } = JSON.parse(String(esQuery)) as { query?: object };
  if (query === undefined) throw new Refusal(400, '[esQuery]: must contain "query"');
  if (!Array.isArray(index) || index.length === 0 || !timeField) throw new Refusal(400, '[index]: array size is [0]');
  if (!Array.isArray(threshold) || threshold.length !== 1) throw new Refusal(400, '[threshold]: must have one element');
  if (!['>', '>=', '<', '<='].includes(String(thresholdComparator))) throw new Refusal(400, 'invalid comparator');
  if (groupBy === 'top' && (params.termField === undefined || params.termSize === undefined)) {
    throw new Refusal(400, '[termField]: termField required when [groupBy] is top');
  }
}
