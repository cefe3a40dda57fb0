/** What every command of the tool is made of: how it is typed, what it may be told, what it prints. */
import { userInfo } from 'node:os';
import { createInterface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';
import { type ParseArgsConfig, parseArgs } from 'node:util';

/** A command was typed wrongly: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** An option, as the help shows it. */
export interface Option {
  /** What its value is called; a switch without one. */
  value?: string;
  about: string;
}

/** Where the tool runs: what it reads and writes, and the environment. */
export interface Terminal {
  input: Readable & { isTTY?: boolean };
  output: Writable;
  errors: Writable;
  env: NodeJS.ProcessEnv;
}

/** What a command is called with. */
export interface Invocation {
  values: Record<string, string | undefined>;
  flags: ReadonlySet<string>;
  positionals: string[];
  /** Variables of the configuration. */
  env: Record<string, string>;
  terminal: Terminal;
  /** Prints a result: for machines with `--json`, for people otherwise. */
  show(result: Shown): void;
}

/** One result in its two forms. */
export interface Shown {
  json: unknown;
  text: string;
}

/** One command. */
export interface Command {
  /** What comes behind its name: `<id>`, each one needed. */
  positionals: readonly string[];
  about: string;
  /** More than one line, when that is needed. */
  details?: string;
  options: Record<string, Option>;
  /** Does it, and shows what came of it. @throws {Error} what was asked for failed; its message says so to people */
  run(invocation: Invocation): Promise<void>;
}

/** Options of all commands. */
export const commonOptions: Record<string, Option> = {
  json: { about: 'prints JSON, for machines' },
  'env-file': { value: 'file', about: 'variables of the installation (.vyry/operator.env, which npm start writes)' },
  help: { about: 'prints this' },
};

/** Options of commands that change something. */
export const actOptions: Record<string, Option> = {
  by: { value: 'name', about: 'who you are, for the timeline and the log (your name on this machine)' },
};

/** The arguments of a command. @throws {UsageError} they do not fit */
export function readArguments(
  { positionals: wanted, options }: Command,
  args: string[],
): Pick<Invocation, 'values' | 'flags' | 'positionals'> {
  const known: ParseArgsConfig['options'] = Object.fromEntries(
    Object.entries({ ...options, ...commonOptions }).map(([name, { value }]) => [
      name,
      { type: value === undefined ? 'boolean' : 'string' } as const,
    ]),
  );
  const { values, positionals } = parse(args, known);
  const flags = new Set(Object.keys(values).filter((name) => values[name] === true));
  if (!flags.has('help') && positionals.length !== wanted.length) {
    const missing = wanted.slice(positionals.length);
    throw new UsageError(missing.length > 0 ? `${missing.join(' ')} is missing` : 'Too many arguments');
  }
  const texts = Object.entries(values).filter(([, value]) => typeof value === 'string') as [string, string][];
  return { values: Object.fromEntries(texts), flags, positionals };
}

function parse(args: string[], options: NonNullable<ParseArgsConfig['options']>) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (err) {
    throw new UsageError((err as Error).message);
  }
}

/** One of some words. @throws {UsageError} it is another */
export function oneOf<W extends string>(option: string, words: readonly W[], given: string | undefined): W | undefined {
  const word = words.find((known) => known === given);
  if (given !== undefined && word === undefined) throw new UsageError(`${option} is one of ${words.join(', ')}`);
  return word;
}

/** The value of `--limit`, 20 without one. @throws {UsageError} it is none */
export function readLimit(text = '20'): number {
  const limit = Number(text);
  if (!/^\d+$/.test(text) || limit < 1 || limit > 10_000) throw new UsageError('--limit is a number from 1 to 10000');
  return limit;
}

/** The operator's name: as told, else as this machine knows it. @throws {UsageError} it is not plain */
export function operatorName(given: string | undefined): string | undefined {
  const isPlain = (name: string) => /^[\w.-]{1,64}$/.test(name);
  if (given !== undefined && !isPlain(given)) {
    throw new UsageError('--by is up to 64 letters, digits, dots, dashes and underscores');
  }
  const own = given ?? userInfo().username;
  return isPlain(own) ? own : undefined;
}

/** Asks for a yes on the terminal. @throws {UsageError} there is no terminal and `--yes` was not given */
export async function confirm(
  question: string,
  { flags, terminal: { input, errors } }: Pick<Invocation, 'flags' | 'terminal'>,
): Promise<boolean> {
  if (flags.has('yes')) return true;
  if (!input.isTTY) throw new UsageError('There is no terminal to confirm on: add --yes');
  const lines = createInterface({ input, output: errors });
  const answer = await lines.question(`${question} [y/N] `);
  lines.close();
  return /^y(es)?$/i.test(answer.trim());
}

/** Lines of a table whose columns stand under each other; the first row is its head. */
export function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}

/** The help of a command. */
export function helpOf(name: string, { positionals, about, details, options }: Command): string {
  const shown = Object.entries({ ...options, ...commonOptions });
  const rows = shown.map(([option, { value, about }]) => [`  --${option}${value ? ` <${value}>` : ''}`, about]);
  const usage = ['  vyry', name, ...positionals.map((positional) => `<${positional}>`), '[options]'].join(' ');
  return [about, '', usage, '', table(rows), ...(details ? ['', details] : []), ''].join('\n');
}
