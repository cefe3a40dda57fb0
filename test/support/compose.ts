/** docker-compose.yml, the Dockerfile and an installation with them, for tests without a Docker engine. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseEnv, promisify } from 'node:util';
import { parse } from 'yaml';
import { givenValues } from '../../platform/config/config.ts';
import type { Role } from '../../platform/config/roles.ts';
import { testBundle } from './engines.ts';

/** A service. */
export interface Service {
  image?: string;
  build?: { target: string };
  command?: string[];
  entrypoint?: string[];
  environment?: Record<string, string>;
  ports?: string[];
  networks?: string[];
  volumes?: string[];
  healthcheck?: { test: string[] };
  restart?: string;
  profiles?: string[];
  user?: string;
  read_only?: boolean;
  cap_drop?: string[];
  cap_add?: string[];
  security_opt?: string[];
  privileged?: boolean;
  depends_on?: Record<string, { condition: string }>;
  secrets?: string[];
  pids_limit?: number;
  mem_limit?: string;
  tmpfs?: string[];
}

/** The whole file. */
export interface ComposeFile {
  services: Record<string, Service>;
  networks: Record<string, { internal?: boolean | string; driver_opts?: Record<string, string> } | null>;
  volumes: Record<string, unknown>;
  secrets: Record<string, { file: string }>;
}

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '..', '..');
/** Returns the text of a file of the project. */
export const read = (file: string): string => readFileSync(join(root, file), 'utf8');
/** The services that end on their own. */
export const oneShots = ['temporal-schema', 'temporal-setup', 'mongo-setup', 'migrate', 'elasticsearch-setup'];
/** The services that are run by hand. */
export const tools = ['operator'];

/** Returns docker-compose.yml. */
export function readCompose(): ComposeFile {
  return parse(read('docker-compose.yml'), { merge: true, maxAliasCount: -1 }) as ComposeFile;
}

/** Returns the variables of docs/compose-development.env. */
export function developmentVariables(): Record<string, string> {
  return parseEnv(read('docs/compose-development.env')) as Record<string, string>;
}

/** The command in docs/deploy.md that creates `.env`. */
export function envCommand(): string {
  const block = /```sh\n( *sh -euCc '.*?)```/s.exec(read('docs/deploy.md'))?.[1];
  assert.ok(block, 'docs/deploy.md has the command');
  return block;
}

/** The folder in which the command was run, as an installation has it. */
export interface Installation extends AsyncDisposable {
  folder: string;
  /** Its `.env`. */
  file: string;
}

/** The commands in docs/deploy.md that derive what each process gets, with the operator's tool of this folder. */
function deriveCommands(): string {
  const block = /```sh\n( *docker compose build operator\n.*?)```/s.exec(read('docs/deploy.md'))?.[1];
  assert.ok(block, 'docs/deploy.md has the commands');
  const [build = '', tool = '', ...rest] = block.split('\n');
  assert.match(
    `${build}\n${tool}`,
    /^ *docker compose build operator\n *vyry\(\) \{ docker compose run .* operator "\$@"; \}$/,
  );
  return [`vyry() { "$NODE" "$CLI" "$@"; }`, ...rest].join('\n');
}

/** Runs the commands of docs/deploy.md, without a Docker engine. */
export async function makeEnvFile(): Promise<Installation> {
  const folder = mkdtempSync(join(tmpdir(), 'vyry-compose-'));
  await run('sh', ['-c', envCommand()], { cwd: folder });
  const { environment = {} } = readCompose().services.operator ?? {};
  const roots = Object.entries(environment).filter(([name]) =>
    /^(PAYLOAD|DATA|AUDIT|REDIS)_(KEY|ACL_KEY|URL)/.test(name),
  );
  const own = secretPlaces(Object.fromEntries(roots), {}, folder);
  const tool = { NODE: process.execPath, CLI: join(root, 'cli', 'main.ts'), PATH: process.env.PATH };
  await run('bash', ['--norc', '-euo', 'pipefail', '-c', deriveCommands()], { cwd: folder, env: { ...own, ...tool } });
  return {
    folder,
    file: join(folder, '.env'),
    async [Symbol.asyncDispose]() {
      rmSync(folder, { recursive: true });
    },
  };
}

/** The environment of a container of a role, with `${NAME:-default}` and `${NAME:?error}` replaced. */
export function containerVariables(
  compose: ComposeFile,
  role: Role | 'operator',
  given: Record<string, string>,
): Record<string, string> {
  // innermost first: a default may refer to another variable
  const resolved = (text: string): string => {
    const next = text.replace(/\$\{(\w+)(?::-([^${}]*)|:\?[^${}]*)\}/g, (_, key, other = '') => given[key] || other);
    return next === text ? text : resolved(next);
  };
  const entries = Object.entries(compose.services[role]?.environment ?? {}).map(([name, text]) => {
    assert.equal(typeof text, 'string', `${name} of ${role} is text`);
    return [name, resolved(text)];
  });
  return Object.fromEntries(entries);
}

/** The variables of a container, also those that are given as files. */
export function givenNames(service: Service | undefined): string[] {
  return Object.keys(service?.environment ?? {}).map((name) => name.replace(/_FILE$/, ''));
}

/** Returns a secret of an installation. */
export function readSecret(folder: string, name: string): string {
  return readFileSync(join(folder, 'secrets', name), 'utf8').trimEnd();
}

/** Reads what a process would read: the files of secrets, at their places in an installation. */
export function withSecrets(
  own: Record<string, string>,
  given: Record<string, string>,
  folder: string,
): Record<string, string> {
  return givenValues(givenNames({ environment: own }), secretPlaces(own, given, folder));
}

/** Replaces the paths of secrets and of the build in a container by those on this machine. */
export function secretPlaces(
  own: Record<string, string>,
  given: Record<string, string>,
  folder: string,
): Record<string, string> {
  const placeOf = (path: string) => {
    if (path === '/vyry/dist/build-id') return join(dirname(testBundle()), 'build-id');
    const name = path.replace('/run/secrets/', '');
    const chosen = given[`${name}_FILE`];
    return path === name ? path : chosen === undefined ? join(folder, 'secrets', name) : join(root, chosen);
  };
  return Object.fromEntries(Object.entries(own).map(([name, value]) => [name, placeOf(value)]));
}

/** A stage of the Dockerfile. */
export interface Stage {
  name: string;
  base: string;
  text: string;
  copies: { from?: string; sources: string[]; target: string }[];
}

/** Returns the stages of the Dockerfile. */
export function readStages(): Stage[] {
  return read('Dockerfile')
    .split(/^FROM /m)
    .slice(1)
    .map((text) => {
      const [, base = '', name = ''] = /^(\S+) AS (\S+)$/m.exec(text) ?? [];
      const copies = [...text.matchAll(/^COPY (?:--from=(\S+) )?(?!<<)(.+)$/gm)].map(([, from, paths = '']) => {
        const sources = paths.split(' ');
        const target = sources.pop() ?? '';
        return { ...(from && { from }), sources, target };
      });
      return { name, base, text, copies };
    });
}

/** Returns a stage by its name. */
export function stageOf(name: string): Stage {
  const stage = readStages().find((known) => known.name === name);
  assert.ok(stage, name);
  return stage;
}
