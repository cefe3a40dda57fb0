/**
 * `vyry`: what an operator does without a browser. Holds every variable of the configuration, and runs as the operator.
 *
 * Exit codes: 0 it is done, 1 what was asked for failed, 2 it was typed wrongly.
 */
import { join } from 'node:path';
import { Failure, type FailureCode } from '../domain/failures.ts';
import { operatorEnvironment } from '../platform/config.ts';
import { type Command, helpOf, readArguments, type Shown, type Terminal, table, UsageError } from './command.ts';

/** A noun is loaded when it is asked for: each brings the clients of other systems. */
const nouns: Record<string, { about: string; load: () => Promise<Command | Record<string, Command>> }> = {
  registrations: {
    about: 'what is under way and where it is stuck; try again, switch the channel, cancel',
    load: async () => (await import('./registrations.ts')).registrations,
  },
  users: {
    about: 'show, disable and enable accounts',
    load: async () => (await import('./users.ts')).users,
  },
  audit: {
    about: 'the newest events of the audit log',
    load: async () => (await import('./audit.ts')).audit,
  },
  keys: {
    about: 'new keys for the configuration',
    load: async () => (await import('./keys.ts')).keys,
  },
  doctor: {
    about: 'checks the configuration and everything that it names',
    load: async () => (await import('./doctor.ts')).doctor,
  },
};

const folder = join(import.meta.dirname, '..');

/** What operators read of refusals; others are shown by their code. */
const sentences: Partial<Record<FailureCode, string>> = {
  'nothing-waiting': 'Nothing of this registration waits for an outside system.',
  'registration-closed': 'The registration is over, or there is none by this id.',
  'registration-expired': 'The registration has expired.',
  'channel-not-available': 'The person has no address for this channel.',
  'channel-refused': 'The provider of this channel has refused this person for good.',
  'step-not-available': 'The code step of this registration is done, or not part of it.',
  'rate-limited': 'A code went out by this channel a moment ago, or none is left.',
};

/** Runs the tool with the arguments behind its name, and gives its exit code. Errors are explained on the terminal. */
export async function runTool(args: string[], terminal: Terminal): Promise<number> {
  return await runNoun(args, terminal).catch((err: unknown) => explain(err, terminal));
}

async function runNoun([noun, ...rest]: string[], terminal: Terminal): Promise<number> {
  if (noun === undefined || noun === '--help') return showHelp(overview(), noun, terminal);
  const found = Object.hasOwn(nouns, noun) ? nouns[noun] : undefined;
  if (found === undefined) throw new UsageError(`There is no ${noun}: it is one of ${Object.keys(nouns).join(', ')}`);
  const loaded = await found.load();
  if (isCommand(loaded)) return runCommand(noun, loaded, { args: rest, terminal });
  const [verb, ...others] = rest;
  if (verb === undefined || verb === '--help') return showHelp(verbsOf(noun, loaded), verb, terminal);
  const command = Object.hasOwn(loaded, verb) ? loaded[verb] : undefined;
  if (command === undefined) throw new UsageError(`${noun} has no ${verb}: it has ${Object.keys(loaded).join(', ')}`);
  return runCommand(`${noun} ${verb}`, command, { args: others, terminal });
}

/** Help that nobody asked for answers a command that is not whole. */
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
  await command.run({ ...given, env, terminal, show });
  return 0;
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
    'Each explains itself with --help. With npm start running nothing has to be set; otherwise the tool reads the same',
    'variables as the processes, or the file that --env-file names.',
    '',
    'Exit codes: 0 it is done, 1 what was asked for failed, 2 it was typed wrongly.',
    '',
  ].join('\n');
}

function verbsOf(noun: string, commands: Record<string, Command>): string {
  const rows = Object.entries(commands).map(([verb, { positionals, about }]) => [
    ['  vyry', noun, verb, ...positionals.map((positional) => `<${positional}>`)].join(' '),
    about,
  ]);
  return [table(rows), '', `vyry ${noun} <command> --help shows its options.`, ''].join('\n');
}

async function explain(err: unknown, { errors }: Terminal): Promise<number> {
  if (err instanceof UsageError) {
    errors.write(`${err.message}.\nvyry --help shows what there is.\n`);
    return 2;
  }
  errors.write(`${(await outageOf(err)) ?? messageOf(err)}\n`);
  return 1;
}

function messageOf(err: unknown): string {
  if (err instanceof Failure) return err.context.message ?? sentences[err.code] ?? err.code.replaceAll('-', ' ');
  const text = err instanceof Error ? err.message : String(err);
  if (!text.startsWith('Bad configuration')) return text;
  return `${text}\nSet them, name a file with --env-file, or run npm start, which writes .vyry/operator.env.`;
}

/** Which engine an error tells of; loaded only now, because their clients take long to load. */
async function outageOf(err: unknown): Promise<string | undefined> {
  const { isTemporalOutage } = await import('../adapters/temporal/connect.ts');
  if (isTemporalOutage(err)) {
    return 'Temporal or its workers do not answer in time. Is TEMPORAL_ADDRESS right, and does it run? vyry doctor tells more.';
  }
  const { isRedisOutage } = await import('../adapters/redis/connect.ts');
  if (isRedisOutage(err)) return 'Redis does not answer (REDIS_URL). vyry doctor tells more.';
  const { isMongoOutage } = await import('../adapters/mongo/connect.ts');
  return isMongoOutage(err) ? 'MongoDB does not answer (DATABASE_URL). vyry doctor tells more.' : undefined;
}

if (import.meta.main) {
  // a reader that goes away, such as `head`, has seen enough
  process.stdout.on('error', () => process.exit(0));
  const { stdin: input, stdout: output, stderr: errors, env } = process;
  process.exitCode = await runTool(process.argv.slice(2), { input, output, errors, env });
}
