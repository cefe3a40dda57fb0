/** The parts of a CLI command: arguments, options, output and help. */
import { userInfo } from 'node:os';
import { createInterface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { outsideBudget } from '../platform/budget.ts';

/** The command line is invalid: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** An option of a command. */
export interface Option {
  /** The name of its value in the help. An option without one is a switch. */
  value?: string;
  about: string;
}

/** The streams and the environment of the CLI. */
export interface Terminal {
  input: Readable & { isTTY?: boolean };
  output: Writable;
  errors: Writable;
  env: NodeJS.ProcessEnv;
}

/** The parsed arguments and the surroundings of a command. */
export interface Invocation {
  values: Record<string, string | undefined>;
  flags: ReadonlySet<string>;
  positionals: string[];
  /** The configuration variables. */
  env: Record<string, string>;
  terminal: Terminal;
  /** Prints a result: as JSON with `--json`, otherwise as text. */
  show(result: Shown): void;
}

/** A result in its two formats. */
export interface Shown {
  json: unknown;
  text: string;
}

/** A command of the CLI. */
export interface Command {
  /** The names of its positional arguments, such as `id`. All are required. */
  positionals: readonly string[];
  /** The first line of its help. */
  about: string;
  /** More help text, printed below the options. */
  details?: string;
  options: Record<string, Option>;
  /**
   * Whether it only reads, so that it has the shorter budget; `none`: its calls have their own times, because it reads all
   * there is or checks each system. Other commands change something.
   */
  budget?: 'read' | 'none';
  /** Runs the command and shows the result. @throws {Error} the command failed; the message is printed */
  run(invocation: Invocation): Promise<void>;
}

/** The options of every command. */
const commonOptions: Record<string, Option> = {
  json: { about: 'print JSON' },
  'env-file': { value: 'file', about: 'file with configuration variables (.vyry/operator.env, written by npm start)' },
  help: { about: 'print this help' },
};

/** The options of commands that change something. */
export const actOptions: Record<string, Option> = {
  by: { value: 'name', about: 'operator name for the timeline and the audit log (your user name on this machine)' },
};

/**
 * Parses the arguments of a command.
 *
 * @throws {UsageError} an option is unknown or an argument is missing or superfluous
 */
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

/** Returns the value if it is one of the allowed words. @throws {UsageError} the value is not allowed */
export function oneOf<W extends string>(option: string, words: readonly W[], given: string | undefined): W | undefined {
  const word = words.find((known) => known === given);
  if (given !== undefined && word === undefined) throw new UsageError(`${option} must be one of ${words.join(', ')}`);
  return word;
}

const unitSeconds: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Parses a time such as 30s, 10m, 2h or 1d, in seconds. @throws {UsageError} it is none */
export function readDuration(option: string, text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = unitSeconds[unit];
  if (seconds === undefined) throw new UsageError(`${option} must be a time such as 30s, 10m, 2h or 1d`);
  return Number(count) * seconds;
}

/** Parses the value of `--limit`; the default is 20. @throws {UsageError} the value is not a number from 1 to 10000 */
export function readLimit(text = '20'): number {
  const limit = Number(text);
  if (!/^\d+$/.test(text) || limit < 1 || limit > 10_000)
    throw new UsageError('--limit must be a number from 1 to 10000');
  return limit;
}

/**
 * Returns the name of the operator: the value of `--by`, otherwise the user name on this machine, or undefined if that
 * has other characters.
 *
 * @throws {UsageError} the value of `--by` has other characters or is too long
 */
export function operatorName(given: string | undefined): string | undefined {
  const isPlain = (name: string) => /^[\w.-]{1,64}$/.test(name);
  if (given !== undefined && !isPlain(given)) {
    throw new UsageError('--by must be at most 64 letters, digits, dots, dashes and underscores');
  }
  const own = given ?? userInfo().username;
  return isPlain(own) ? own : undefined;
}

/** Asks for confirmation on the terminal. @throws {UsageError} there is no terminal and `--yes` is not set */
export async function confirm(
  question: string,
  { flags, terminal: { input, errors } }: Pick<Invocation, 'flags' | 'terminal'>,
): Promise<boolean> {
  if (flags.has('yes')) return true;
  if (!input.isTTY) throw new UsageError('Confirmation needs a terminal: add --yes');
  const lines = createInterface({ input, output: errors });
  const answer = await outsideBudget(() => lines.question(`${question} [y/N] `));
  lines.close();
  return /^y(es)?$/i.test(answer.trim());
}

/** Formats rows as a table with aligned columns. The first row is the header. */
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

/** Returns the help text of a command. */
export function helpOf(name: string, { positionals, about, details, options }: Command): string {
  const shown = Object.entries({ ...options, ...commonOptions });
  const rows = shown.map(([option, { value, about }]) => [`  --${option}${value ? ` <${value}>` : ''}`, about]);
  const usage = ['  vyry', name, ...positionals.map((positional) => `<${positional}>`), '[options]'].join(' ');
  return [about, '', usage, '', table(rows), ...(details ? ['', details] : []), ''].join('\n');
}
