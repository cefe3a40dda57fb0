/** `vyry doctor`: checks the configuration and every configured dependency, and advises how to fix what fails. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { checkCaptcha, checkConfiguration } from './checks/configuration.ts';
import { check, type Finding } from './checks/finding.ts';
import { checkLdap, checkLogin } from './checks/ldap.ts';
import {
  checkInfobip,
  checkMail,
  checkPush,
  checkResend,
  checkSendgrid,
  checkSignalServer,
  checkTwilio,
} from './checks/providers.ts';
import { checkRedisUsers } from './checks/redis-users.ts';
import { checkAuditLog, checkElastic, checkMongo, checkRedis } from './checks/stores.ts';
import { checkTemporal } from './checks/temporal.ts';
import { type Command, type Terminal, table, UsageError } from './command.ts';

type Check = [name: string, find: (env: Record<string, string>) => Promise<Finding[]>];

const checks: Check[] = [
  ['redis', checkRedis],
  ['redis users', checkRedisUsers],
  ['mongodb', checkMongo],
  ['temporal', checkTemporal],
  ['ldap', checkLdap],
  ['twilio', checkTwilio],
  ['infobip', checkInfobip],
  ['mail', checkMail],
  ['resend', checkResend],
  ['sendgrid', checkSendgrid],
  ['signal-server', checkSignalServer],
  ['push', checkPush],
  ['elasticsearch', checkElastic],
  ['audit log', checkAuditLog],
  ['captcha', checkCaptcha],
];

const words: Record<Finding['verdict'], string> = { ok: 'ok', warning: 'warning', failed: 'FAILED', off: 'off' };

/** The command `vyry doctor`. */
export const doctor: Command = {
  positionals: [],
  about:
    'Checks the configuration, the data stores, Temporal, the directory and the providers, and says how to fix faults.',
  details:
    'The exit code is 1 if a check failed; warnings and checks that are off do not count. Nothing is changed or sent.',
  options: {
    login: { value: 'username', about: 'only check this user name at the directory; asks for the password' },
  },
  budget: 'none',
  async run({ values, env, terminal, show }) {
    const findings =
      values.login === undefined
        ? await checkAll(env)
        : [await checkLogin(env, values.login, await askPassword(terminal))];
    show({ json: findings, text: textOf(findings) });
    const failed = findings.filter(({ verdict }) => verdict === 'failed').length;
    if (failed > 0) throw new Error(`${failed} of ${findings.length} checks failed.`);
  },
};

async function checkAll(env: Record<string, string>): Promise<Finding[]> {
  const found = await Promise.all(checks.map(([name, find]) => check(name, () => find(env))));
  return [...checkConfiguration(env), ...found.flat()];
}

/**
 * Reads the password from the terminal without echo, or the first line of standard input.
 *
 * @throws {UsageError} no input
 */
async function askPassword({ input, errors }: Terminal): Promise<string> {
  if (input.isTTY) errors.write('Password: ');
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input, output: silent, terminal: input.isTTY === true });
  const password = await new Promise<string | undefined>((resolve) => {
    lines.once('line', resolve);
    lines.once('close', () => resolve(undefined));
  });
  lines.close();
  if (input.isTTY) errors.write('\n');
  if (password === undefined) throw new UsageError('The password is missing');
  return password;
}

function textOf(findings: Finding[]): string {
  const rows = findings.map(({ verdict, check, about }) => [words[verdict], check, about]);
  const lines = table(rows).split('\n');
  const advised = findings.flatMap(({ advice }, index) => [
    lines[index] ?? '',
    ...(advice ? [`          ${advice}`] : []),
  ]);
  return advised.join('\n');
}
