/**
 * `vyry`: the CLI for operators. It may read every configuration variable and runs with the rights of the operator.
 *
 * Exit codes: 0 success, 1 the command failed, 2 the command line is invalid.
 */
import { join } from 'node:path';
import { Failure, type FailureCode } from '../domain/failures.ts';
import { withNewBudget } from '../platform/budget.ts';
import { operatorEnvironment, readVariables } from '../platform/config/config.ts';
import type { Dependency } from '../platform/outages.ts';
import { type Command, helpOf, readArguments, type Shown, type Terminal, table, UsageError } from './command.ts';
import { outageIn } from './outages.ts';

/** A group of commands. It is loaded on demand, because each imports the clients of other systems. */
interface Noun {
  about: string;
  /** The command that the noun alone stands for: `vyry devices ada`. */
  usual?: string;
  load: () => Promise<Command | Record<string, Command>>;
}

const nouns: Record<string, Noun> = {
  find: {
    about: 'show everything about a person, a registration or an account, by whatever is known of them',
    load: async () => (await import('./find.ts')).find,
  },
  registrations: {
    about: 'list and inspect registrations; retry, switch the channel, cancel',
    load: async () => (await import('./registrations.ts')).registrations,
  },
  users: {
    about: 'show, disable and enable accounts; grant and revoke roles',
    load: async () => (await import('./users.ts')).users,
  },
  devices: {
    about: 'list the devices of an account; remove one',
    usual: 'list',
    load: async () => (await import('./devices.ts')).devices,
  },
  audit: {
    about: 'print audit events and verify the audit log',
    load: async () => (await import('./audit.ts')).audit,
  },
  keys: {
    about: 'generate keys for the configuration',
    load: async () => (await import('./keys.ts')).keys,
  },
  'redis-acl': {
    about: 'print the users of Redis, one for each role',
    load: async () => (await import('./redis-acl.ts')).redisAcl,
  },
  migrate: {
    about: 'run the migrations that the database lacks',
    load: async () => (await import('./migrate.ts')).migration,
  },
  deploy: {
    about: 'list the versions of the workers; make one current; wait until an older one may stop',
    load: async () => (await import('./deploy.ts')).deploy,
  },
  doctor: {
    about: 'check the configuration and every dependency that it names',
    load: async () => (await import('./doctor.ts')).doctor,
  },
};

const folder = join(import.meta.dirname, '..');

/** Messages for failures. A failure without one is shown by its code. */
const sentences: Partial<Record<FailureCode, string>> = {
  'nothing-waiting': 'The registration is not waiting for a dependency.',
  'registration-closed': 'The registration has ended, or there is no registration with this id.',
  'registration-expired': 'The registration has expired.',
  'channel-not-available': 'The user has no number or address for this channel.',
  'channel-refused': 'The provider of this channel permanently refused this recipient.',
  'step-not-available': 'The registration has no code step, or the step is done.',
  'rate-limited': 'A code was sent by this channel a moment ago, or no more codes are allowed.',
};

/** Runs the CLI with the arguments after its name and returns the exit code. Errors are explained on the terminal. */
export async function runTool(args: string[], terminal: Terminal): Promise<number> {
  return await runNoun(args, terminal).catch((err: unknown) => explain(err, terminal, args.includes('--json')));
}

async function runNoun([noun, ...rest]: string[], terminal: Terminal): Promise<number> {
  if (noun === undefined || noun === '--help') return showHelp(overview(), noun, terminal);
  const found = Object.hasOwn(nouns, noun) ? nouns[noun] : undefined;
  if (found === undefined)
    throw new UsageError(`Unknown command ${noun}: it must be one of ${Object.keys(nouns).join(', ')}`);
  const loaded = await found.load();
  if (isCommand(loaded)) return runCommand(noun, loaded, { args: rest, terminal });
  const [verb, ...others] = rest;
  if (verb === undefined || verb === '--help') return showHelp(verbsOf(noun, loaded), verb, terminal);
  const command = Object.hasOwn(loaded, verb) ? loaded[verb] : undefined;
  if (command !== undefined) return runCommand(`${noun} ${verb}`, command, { args: others, terminal });
  const usual = loaded[found.usual ?? ''];
  if (usual === undefined)
    throw new UsageError(`Unknown command ${noun} ${verb}: it must be one of ${Object.keys(loaded).join(', ')}`);
  return runCommand(noun, usual, { args: rest, terminal });
}

/** Help without `--help` is shown for an incomplete command: it goes to standard error with exit code 2. */
function showHelp(text: string, asked: string | undefined, { output, errors }: Terminal): number {
  (asked === undefined ? errors : output).write(text);
  return asked === undefined ? 2 : 0;
}

async function runCommand(
  name: string,
  command: Command,
  { args, terminal }: { args: string[]; terminal: Terminal },
): Promise<number> {
  const given = readArguments(command, args);
  if (given.flags.has('help')) return showHelp(helpOf(name, command), '--help', terminal);
  const file = given.values['env-file'];
  const env = operatorEnvironment({ fallback: join(folder, '.vyry', 'operator.env'), file }, terminal.env);
  const isJson = given.flags.has('json');
  const show = ({ json, text }: Shown) =>
    void terminal.output.write(isJson ? `${JSON.stringify(json, null, 2)}\n` : `${text}\n`);
  await withinItsBudget(command, env, () => command.run({ ...given, env, terminal, show }));
  return 0;
}

/** Runs a command within the time that it may take. @throws {Failure} unavailable: it takes longer */
async function withinItsBudget(
  { budget }: Command,
  env: Record<string, string>,
  run: () => Promise<void>,
): Promise<void> {
  if (budget === 'none') return run();
  const name = budget === 'read' ? 'CLI_READ_BUDGET_MS' : 'REQUEST_BUDGET_MS';
  return withNewBudget(readVariables([name], env)[name], run);
}

function isCommand(loaded: Command | Record<string, Command>): loaded is Command {
  return typeof loaded.run === 'function';
}

function overview(): string {
  const rows = Object.entries(nouns).map(([noun, { about }]) => [`  vyry ${noun}`, about]);
  return [
    'Vyry for operators.',
    '',
    table(rows),
    '',
    'Add --help to a command for details. While npm start runs, no configuration is needed. Otherwise the commands read the',
    'same variables as the processes, or the file that --env-file names.',
    '',
    'Exit codes: 0 success, 1 the command failed, 2 the command line is invalid.',
    '',
  ].join('\n');
}

function verbsOf(noun: string, commands: Record<string, Command>): string {
  const rows = Object.entries(commands).map(([verb, { positionals, about }]) => [
    ['  vyry', noun, verb, ...positionals.map((positional) => `<${positional}>`)].join(' '),
    about,
  ]);
  return [table(rows), '', `vyry ${noun} <command> --help shows the options of a command.`, ''].join('\n');
}

/** Prints an error: with `--json` as one JSON object, so that a program can tell what failed and what to do. */
async function explain(err: unknown, { errors }: Terminal, isJson: boolean): Promise<number> {
  const { code, message, dependency } = await errorOf(err);
  const isUsage = code === 'usage';
  if (isJson) errors.write(`${JSON.stringify({ error: { code, message, dependency } })}\n`);
  else errors.write(`${message}\n${isUsage ? 'vyry --help shows the commands.\n' : ''}`);
  return isUsage ? 2 : 1;
}

/** An error of a command. `code`: `usage`, `unavailable` with the dependency, the code of a failure, or `failed`. */
interface CommandError {
  code: string;
  message: string;
  dependency?: Dependency;
}

async function errorOf(err: unknown): Promise<CommandError> {
  if (err instanceof UsageError) return { code: 'usage', message: `${err.message}.` };
  const outage = await outageIn(err);
  if (outage !== undefined) return { code: 'unavailable', message: outage.text, dependency: outage.dependency };
  return { code: err instanceof Failure ? err.code : 'failed', message: messageOf(err) };
}

function messageOf(err: unknown): string {
  if (err instanceof Failure && err.context.reason === 'out-of-time')
    return 'The command took too long and was given up. Run vyry doctor for details.';
  if (err instanceof Failure) return err.context.message ?? sentences[err.code] ?? err.code.replaceAll('-', ' ');
  const text = err instanceof Error ? err.message : String(err);
  if (!text.startsWith('Bad configuration')) return text;
  return `${text}\nSet them, name a file with --env-file, or run npm start, which writes .vyry/operator.env.`;
}

if (import.meta.main) {
  // a reader such as `head` closes the pipe when it has read enough
  process.stdout.on('error', () => process.exit(0));
  const { stdin: input, stdout: output, stderr: errors, env } = process;
  process.exitCode = await runTool(process.argv.slice(2), { input, output, errors, env });
}
