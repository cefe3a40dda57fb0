/**
 * `npm run kibana:import`: imports the data view, the dashboards and the rules of this folder into a Kibana. Safe to
 * repeat: existing objects are overwritten, but the actions of a rule, and whether it is enabled, are kept.
 *
 * Variables: `KIBANA_URL`, `KIBANA_API_KEY` or `KIBANA_USERNAME` and `KIBANA_PASSWORD`, optionally `KIBANA_SPACE` and
 * `KIBANA_CA`. Each may also be given as NAME_FILE, the path of a file that holds it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { z } from 'zod';
import { Secret } from '../platform/config/secret.ts';
import type { QueryRule } from './rules.ts';

/** Oldest Kibana that the files support. */
const versionMin = '8.19.0';
const timeoutMs = 60_000;

const optional = z.string().optional();
const secret = z
  .string()
  .transform((value) => new Secret(value))
  .optional();
const Variables = z
  .object({
    KIBANA_URL: z
      .url({ protocol: /^https?$/, error: 'must be a URL (http:, https:)' })
      .refine((url) => new URL(url).username === '', 'must hold no user and password'),
    KIBANA_API_KEY: secret,
    KIBANA_USERNAME: optional,
    KIBANA_PASSWORD: secret,
    KIBANA_SPACE: z
      .string()
      .regex(/^[a-z0-9_-]+$/, 'must be the id of a space')
      .optional(),
    KIBANA_CA: optional,
  })
  .refine(({ KIBANA_API_KEY, KIBANA_PASSWORD }) => (KIBANA_API_KEY ?? KIBANA_PASSWORD) !== undefined, {
    path: ['KIBANA_API_KEY'],
    error: 'is missing, and so is KIBANA_PASSWORD',
  });

/** The address of Kibana and the credentials. */
export type Target = z.output<typeof Variables>;

/**
 * Reads the variables. Empty means unset.
 *
 * @throws {Error} one error that names every missing or invalid variable, never their values
 */
export function readTarget(env: NodeJS.ProcessEnv): Target {
  const given = Object.keys(Variables.shape).map((name): [string, string | undefined] => {
    const file = env[`${name}_FILE`];
    return [name, env[name] || (file ? readFileSync(file, 'utf8').trimEnd() : '') || undefined];
  });
  const parsed = Variables.safeParse(Object.fromEntries(given));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message, code, input }) => {
    const isMissing = code === 'invalid_type' && input === undefined;
    return `  ${path.join('.')} ${isMissing ? 'is missing' : message}`;
  });
  throw new Error(`Bad configuration of kibana:import:\n${problems.join('\n')}`);
}

/**
 * Imports everything and reports each finished part.
 *
 * @throws {Error} Kibana cannot be reached, refuses the credentials or is too old; or the error lists all refused
 * objects
 */
export async function importInto(target: Target, say: (line: string) => void): Promise<void> {
  const ask = askerOf(target);
  const version = await readVersion(ask);
  say(`Kibana ${version} at ${target.KIBANA_URL}${target.KIBANA_SPACE ? `, space ${target.KIBANA_SPACE}` : ''}`);
  const problems = [
    ...(await importSavedObjects(ask, say)),
    ...(await importQueryRules(ask, say)),
    ...(await importDetectionRules(ask, say)),
  ];
  if (problems.length > 0) throw new Error(`Kibana did not import everything:\n  ${problems.join('\n  ')}`);
}

interface Answer {
  status: number;
  body: unknown;
}
type Ask = (method: string, path: string, body?: FormData | object) => Promise<Answer>;

function askerOf(target: Target): Ask {
  const { KIBANA_URL, KIBANA_API_KEY, KIBANA_USERNAME = 'elastic', KIBANA_PASSWORD, KIBANA_SPACE, KIBANA_CA } = target;
  if (KIBANA_CA !== undefined) setDefaultCACertificates([...getCACertificates('default'), KIBANA_CA]);
  const basic = Buffer.from(`${KIBANA_USERNAME}:${KIBANA_PASSWORD?.reveal()}`).toString('base64');
  const authorization = KIBANA_API_KEY === undefined ? `Basic ${basic}` : `ApiKey ${KIBANA_API_KEY.reveal()}`;
  const base = KIBANA_URL.replace(/\/$/, '') + (KIBANA_SPACE === undefined ? '' : `/s/${KIBANA_SPACE}`);
  return async (method, path, body) => {
    const isForm = body instanceof FormData;
    const headers = {
      authorization,
      'kbn-xsrf': 'true',
      ...(body !== undefined && !isForm && { 'content-type': 'application/json' }),
    };
    const content = body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) };
    // a redirect leads to the log-in page, which returns 200
    const init: RequestInit = {
      method,
      headers,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      ...content,
    };
    const answer = await fetch(`${base}${path}`, init).catch((err: unknown) => {
      throw new Error(`Kibana cannot be reached at ${KIBANA_URL}: ${reasonOf(err)}`);
    });
    const text = await answer.text();
    refuseForeign(answer.status, path, target);
    return { status: answer.status, body: parsed(text) };
  };
}

/** @throws {Error} the credentials are refused or insufficient, or the answer is a redirect */
function refuseForeign(status: number, path: string, { KIBANA_SPACE }: Target): void {
  const doubt = KIBANA_SPACE === undefined ? '' : `, also in the space ${KIBANA_SPACE}`;
  if (status === 401) throw new Error('Kibana refuses the credentials (401)');
  if (status === 403)
    throw new Error(`The credentials may not do this (403): ${path}${doubt}; see docs/kibana.md for what they need`);
  if (status >= 300 && status < 400) {
    throw new Error(`Kibana redirects ${path} (${status}): is KIBANA_URL complete, with its base path?`);
  }
}

async function readVersion(ask: Ask): Promise<string> {
  const { status, body } = await ask('GET', '/api/status');
  const number = z.object({ version: z.object({ number: z.string() }) }).safeParse(body).data?.version.number;
  // 503 while Kibana starts or its Elasticsearch is unavailable
  if (status !== 200) throw new Error(`Kibana is not ready: ${complaintOf({ status, body })}`);
  if (number === undefined) throw new Error('This is not Kibana, or it hides its version: /api/status has no version');
  if (number.localeCompare(versionMin, 'en', { numeric: true }) < 0) {
    throw new Error(`Kibana ${number} is too old: the dashboards need ${versionMin} or later`);
  }
  return number;
}

const ImportAnswer = z.object({
  success: z.boolean(),
  successCount: z.number(),
  errors: z
    .array(z.object({ type: z.string(), id: z.string(), error: z.looseObject({ type: z.string() }) }))
    .default([]),
});

async function importSavedObjects(ask: Ask, say: (line: string) => void): Promise<string[]> {
  const answer = await ask('POST', '/api/saved_objects/_import?overwrite=true', formOf('vyry.ndjson'));
  const { success, data } = ImportAnswer.safeParse(answer.body);
  if (answer.status !== 200 || !success) return [`saved objects: ${complaintOf(answer)}`];
  say(`Saved objects: ${data.successCount} imported`);
  const problems = data.errors.map(({ type, id, error: { type: kind, ...facts } }) => {
    const details = Object.keys(facts).length > 0 ? ` ${JSON.stringify(facts)}` : '';
    return `${type} ${id}: ${kind}${details}`;
  });
  return data.success || problems.length > 0 ? problems : ['saved objects: Kibana gave no reason'];
}

/** The operators own the connectors of a rule and whether it is enabled. */
const RuleThere = z.object({
  actions: z.array(z.looseObject({ connector_type_id: z.string().optional() })).default([]),
});

async function importQueryRules(ask: Ask, say: (line: string) => void): Promise<string[]> {
  const rules = JSON.parse(read('rules.json')) as QueryRule[];
  const problems: string[] = [];
  for (const rule of rules) {
    const answer = await putRule(ask, rule);
    if (answer.status === 409) problems.push(`rule ${rule.name}: its id is taken, probably by another space (409)`);
    else if (answer.status !== 200) problems.push(`rule ${rule.name}: ${complaintOf(answer)}`);
  }
  say(`Rules: ${rules.length - problems.length} of ${rules.length} set`);
  return problems;
}

async function putRule(ask: Ask, { id, ...rule }: QueryRule): Promise<Answer> {
  const path = `/api/alerting/rule/${id}`;
  const there = await ask('GET', path);
  if (there.status === 404) return await ask('POST', path, { ...rule, actions: [] });
  if (there.status !== 200) return there;
  const { enabled: _enabled, rule_type_id: _type, consumer: _consumer, ...changed } = rule;
  const actions = RuleThere.parse(there.body).actions.map(({ connector_type_id: _id, ...action }) => action);
  return await ask('PUT', path, { ...changed, actions });
}

const DetectionAnswer = z.object({
  success: z.boolean(),
  success_count: z.number(),
  errors: z
    .array(
      z.object({ rule_id: z.string().optional(), error: z.object({ status_code: z.number(), message: z.string() }) }),
    )
    .default([]),
});

async function importDetectionRules(ask: Ask, say: (line: string) => void): Promise<string[]> {
  const path = '/api/detection_engine/rules/_import?overwrite=true';
  const answer = await ask('POST', path, formOf('detection-rules.ndjson'));
  const { success, data } = DetectionAnswer.safeParse(answer.body);
  if (answer.status !== 200 || !success) return [`detection rules: ${complaintOf(answer)}`];
  say(`Detection rules: ${data.success_count} imported`);
  const problems = data.errors.map(({ rule_id = 'unknown', error }) => `detection rule ${rule_id}: ${error.message}`);
  return data.success || problems.length > 0 ? problems : ['detection rules: Kibana gave no reason'];
}

function formOf(name: string): FormData {
  const form = new FormData();
  form.append('file', new Blob([read(name)], { type: 'application/ndjson' }), name);
  return form;
}

function read(name: string): string {
  return readFileSync(join(import.meta.dirname, name), 'utf8');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Returns Kibana's reason for a refusal, in one line. */
function complaintOf({ status, body }: Answer): string {
  const { data } = z.object({ message: z.string() }).safeParse(body);
  const text = data?.message ?? (typeof body === 'string' ? body : JSON.stringify(body));
  return `${status} ${text.replaceAll(/\s+/g, ' ').slice(0, 300)}`;
}

/**
 * Returns the reason of a failed `fetch`, which is in its cause; for several addresses it is only in the cause's code.
 */
function reasonOf(err: unknown): string {
  const cause = (err as Error).cause as NodeJS.ErrnoException | undefined;
  return cause?.message || cause?.code || (err as Error).message;
}

if (import.meta.main) {
  try {
    await importInto(readTarget(process.env), console.log);
  } catch (err) {
    console.error((err as Error).message);
    process.exitCode = 1;
  }
}
