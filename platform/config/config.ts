/** Reads the configuration from environment variables. No other module reads the environment. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import type { z } from 'zod';
import {
  deriveKeys,
  type KeyRing,
  parseKeyRing,
  purposesOf,
  type RootName,
  type Roots,
  rootNames,
  rootOf,
} from '../keyring.ts';
import { conflictsIn } from './conflicts.ts';
import type { Role } from './roles.ts';
import { fileMark } from './secret.ts';
import type { Variable } from './variable.ts';
import { type Variables, variables, variablesOf } from './variables.ts';

/** The configuration of a role: every variable that it may read, parsed. */
export type Config<R extends Role> = {
  readonly [K in keyof Variables as R extends Variables[K]['roles'][number] ? K : never]: z.output<
    Variables[K]['schema']
  >;
};

/** Selected variables of any role, parsed. */
export type Selection<N extends keyof Variables> = { readonly [K in N]: z.output<Variables[K]['schema']> };

/** Returns the environment of this process. */
export function ownEnvironment(): NodeJS.ProcessEnv {
  return process.env;
}

/**
 * Reads the configuration of a role from an environment. An empty variable counts as unset.
 *
 * @throws {Error} one error that names every missing or invalid variable, never its value
 */
export function readConfig<R extends Role>(role: R, env: NodeJS.ProcessEnv = process.env): Config<R> {
  return read(variablesOf(role), env, { role }) as Config<R>;
}

/**
 * Returns the keys of a role, derived from the root keys in an environment; those that are given as
 * `KEYS` otherwise. Undefined if it has neither.
 *
 * @param options.problems gets a line for every root key that is missing or invalid, if any is given
 */
export function deriveKeysIn(
  holder: Role,
  env: NodeJS.ProcessEnv,
  { problems = [] }: { problems?: string[] } = {},
): string | undefined {
  if (env.KEYS) return env.KEYS;
  const wanted = new Set(purposesOf(holder).map(rootOf));
  if (!rootNames.some((name) => env[name])) return undefined;
  const before = problems.length;
  const roots = parseRoots(
    rootNames.filter((name) => wanted.has(name)),
    env,
    problems,
  );
  return problems.length > before ? undefined : deriveKeys(holder, roots);
}

/** Returns root keys of an installation. @throws {Error} names those that are missing or invalid */
export function readRoots(env: NodeJS.ProcessEnv, names: readonly RootName[] = rootNames): Roots {
  const problems: string[] = [];
  const roots = parseRoots(names, env, problems);
  if (problems.length > 0) throw badConfiguration('', problems);
  return roots;
}

/** Returns the keys that the operator's tool derives from root keys. @throws {Error} as `readRoots` */
export function readOperatorKeys(env: NodeJS.ProcessEnv, names: readonly RootName[] = rootNames): KeyRing {
  return parseKeyRing(deriveKeys('operator', readRoots(env, names)));
}

function parseRoots(chosen: readonly RootName[], env: NodeJS.ProcessEnv, problems: string[]): Roots {
  const olderOf = (name: RootName) => `${name.replace('KEY', 'KEYS')}_OLD`;
  const nextOf = (name: RootName) => `${name}_NEXT`;
  const table: Record<string, Variable> = variables;
  const rows = chosen
    .flatMap((name) => [name, olderOf(name), nextOf(name)])
    .flatMap((name): [string, Variable][] => (table[name] === undefined ? [] : [[name, table[name]]]));
  const values = parseAll(rows, env, { problems });
  return Object.fromEntries(
    chosen.map((name) => [name, { current: values[name], older: values[olderOf(name)], next: values[nextOf(name)] }]),
  ) as unknown as Roots;
}

/** Reads selected variables for a program without a role. @throws {Error} as `readConfig` */
export function readVariables<N extends keyof Variables>(names: readonly N[], env: NodeJS.ProcessEnv): Selection<N> {
  const chosen = names.map((name): [string, Variable] => [name, variables[name]]);
  return read(chosen, env, {}) as Selection<N>;
}

/**
 * Returns the values of some variables in an environment. `NAME_FILE` names a file that contains the value of `NAME`; where
 * the value is renewed while the process runs, the path is the value, as `file:<path>`.
 *
 * @throws {Error} names every `NAME_FILE` whose file cannot be read
 */
export function givenValues(names: readonly string[], env: NodeJS.ProcessEnv, whose = ''): Record<string, string> {
  const values: Record<string, string> = {};
  const problems: string[] = [];
  for (const name of names) {
    const file = env[`${name}_FILE`];
    try {
      const value = file ? valueIn(name, file) : env[name];
      if (value !== undefined) values[name] = value;
    } catch (err) {
      problems.push(`${name}_FILE cannot be read: ${(err as NodeJS.ErrnoException).code}`);
    }
  }
  if (problems.length > 0) throw badConfiguration(whose, problems);
  return values;
}

function valueIn(name: string, file: string): string {
  const text = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  const isRenewed = name in variables && (variables as Record<string, Variable>)[name]?.isRenewed;
  // an empty file is an empty value
  return isRenewed && text !== '' ? `${fileMark}${resolve(file)}` : text;
}

/** The variables that select an installation. */
const installationVariables = ['TEMPORAL_ADDRESS', 'REDIS_URL', 'DATABASE_URL'];

/**
 * Returns the variables for the CLI: those that are set, completed from a file. `file` is always read. `fallback` is
 * read only if it exists and no set variable selects an installation, so that two installations are never mixed.
 *
 * @throws {Error} a file cannot be read
 */
export function operatorEnvironment(
  { fallback, file }: { fallback: string; file?: string | undefined },
  env: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const names = Object.keys(variables);
  const given = givenValues(names, env);
  const isPlaceGiven = installationVariables.some((name) => given[name]);
  const source = file ?? (!isPlaceGiven && existsSync(fallback) ? fallback : undefined);
  if (source === undefined) return given;
  return { ...givenValues(names, parseEnv(readFileSync(source, 'utf8'))), ...given };
}

function read(
  chosen: [name: string, variable: Variable][],
  env: NodeJS.ProcessEnv,
  { role }: { role?: Role },
): Readonly<Record<string, unknown>> {
  const problems: string[] = [];
  const KEYS = role === undefined ? undefined : deriveKeysIn(role, env, { problems });
  // the roots are named instead
  const others = problems.length > 0 ? chosen.filter(([name]) => name !== 'KEYS') : chosen;
  const values = parseAll(others, { ...env, ...(KEYS !== undefined && { KEYS }) }, { role, problems });
  problems.push(...conflictsIn(values));
  if (problems.length > 0) throw badConfiguration(role === undefined ? '' : ` of ${role}`, problems);
  return Object.freeze(values);
}

function parseAll(
  chosen: [name: string, variable: Variable][],
  env: NodeJS.ProcessEnv,
  { role, problems }: { role?: Role | undefined; problems: string[] },
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, variable] of chosen) {
    const given = env[name] || variable.default;
    if (given === undefined) {
      problems.push(`${name} is missing: ${variable.about}`);
      continue;
    }
    const parsed = variable.schema.safeParse(given);
    if (parsed.success) values[name] = parsed.data;
    const found = parsed.success
      ? problemsOf(variable, { given, value: parsed.data, role, env })
      : [parsed.error.issues.map((issue) => issue.message).join(', '), ...sampleProblems(given, env)];
    problems.push(...found.map((problem) => `${name} ${problem}`));
  }
  return values;
}

/** Returns the problems of a value that its schema accepts. */
function problemsOf(
  variable: Variable,
  of: { given: string; value: unknown; role: Role | undefined; env: NodeJS.ProcessEnv },
): string[] {
  const { given, value, role, env } = of;
  const forRole = role === undefined ? undefined : variable.problemFor?.(role, value);
  const inProduction = env.NODE_ENV === 'production' ? variable.inProduction?.(given) : undefined;
  return [forRole, ...sampleProblems(given, env), inProduction].flatMap((problem) => problem ?? []);
}

function sampleProblems(given: string, env: NodeJS.ProcessEnv): string[] {
  return env.NODE_ENV === 'production' && isSample(given) ? ['is a sample value'] : [];
}

function badConfiguration(whose: string, problems: readonly string[]): Error {
  return new Error(`Bad configuration${whose}:\n  ${problems.join('\n  ')}`);
}

/** Sample secrets contain `example-only`, in plain text or base64, alone or in a list. Production refuses them. */
function isSample(value: string): boolean {
  const isSampleItem = (item: string) => Buffer.from(item, 'base64').toString().includes('example-only');
  return value.includes('example-only') || value.split(/[\s,]+/).some(isSampleItem);
}
