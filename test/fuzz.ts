/**
 * `npm run test:fuzz`: schemathesis asks a private system whatever its OpenAPI document allows and forbids, and holds the
 * answers to it: no 5xx, no status and no body that is not in the document, nothing opened without its token, nothing
 * accepted that the schemas refuse. Ends with 1 when it finds something. What follows `--` goes to schemathesis, such as
 * `-- --max-time 600 --seed 7`.
 *
 * It logs in as an admin and holds a registration whose code was sent. What would end either of them is asked last.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DataFolder, openTemporaryFolder } from '../engines/data-folder.ts';
import { findProgram, obtain } from '../engines/obtain.ts';
import { type System, startSystemIn } from '../engines/system.ts';
import { runTool } from '../engines/tools.ts';
import { variables } from '../platform/config.ts';
import { call } from './support/client.ts';
import { completedRegistration, goodPassword, must, registrationWithCode } from './support/registrations.ts';
import { jsonOf, vyryFor } from './support/vyry.ts';

const version = '4.32.5';
/**
 * Left out: what a schema allows may be refused (a code is wrong, a name is nobody's); an unknown method is 404; and what
 * needs a run with state.
 */
const checksOff = [
  'positive_data_acceptance',
  'unsupported_method',
  'allow_header_conformance',
  'use_after_free',
  'ensure_resource_availability',
  'object_level_authorization',
];
/** What ends the session or the registration that everything else is asked with. */
const lasts = [
  'POST /api/v1/auth/logout',
  'DELETE /api/v1/auth/sessions/{sessionId}',
  'DELETE /api/v1/registrations/{registrationId}',
  'DELETE /api/v1/users/me',
];
const limitsOff = Object.fromEntries(
  Object.keys(variables)
    .filter((name) => name.startsWith('LIMIT_'))
    .map((name) => [name, '1000000/1']),
);

const folder = await openTemporaryFolder();
try {
  const packages = await schemathesis(folder);
  const env = { LOG_LEVEL: 'warn', CAPTCHA_COST: '2', COST_LIMIT_PER_DAY: '1000000', ...limitsOff };
  const system = await startSystemIn(folder, { folder: folder.path, env });
  const { accessToken, text } = await prepare(system);
  const config = join(folder.path, 'schemathesis.toml');
  writeFileSync(config, text);
  const run = (which: string, more: string[]) => {
    const names = lasts.flatMap((name) => [which, name]);
    return ask(packages, ['--config-file', config, 'run', `${system.ready.apiUrl}/openapi.json`, ...names, ...more]);
  };
  const first = await run('--exclude-name', ['--max-time', '240', ...process.argv.slice(2)]);
  // what was refused for want of a session was not tried
  await must(call(system.ready.apiUrl, 'GET', '/api/v1/auth/session', { token: accessToken }));
  const last = await run('--include-name', ['--max-examples', '20']);
  process.exitCode = first === 0 && last === 0 ? 0 : 1;
} finally {
  await folder.close();
}

/** The folder of the Python packages, fetched once. @throws {Error} there is no Python 3 with pip, or it could not */
async function schemathesis(owner: DataFolder): Promise<string> {
  const python = findProgram('python3');
  if (python === undefined) throw new Error('npm run test:fuzz needs Python 3.10 or later with pip: install it');
  const what = `the PyPI package schemathesis ${version} (about a minute)`;
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `schemathesis==${version}`];
  const make = async (target: string) => {
    await runTool(owner, python, [...install, '--target', target]);
  };
  return obtain(`schemathesis-${version}`, [{ what, isPossible: true, make }], owner);
}

/** The token of an admin and, with it, the configuration: a token for each guard, and the registration that one moves. */
async function prepare(system: System): Promise<{ accessToken: string; text: string }> {
  await completedRegistration(system, 0);
  jsonOf(await vyryFor(system)(['users', 'grant', 'person000', 'admin', '--json']));
  const credentials = { identifier: 'person000', password: goodPassword };
  const { body } = await must(call(system.ready.apiUrl, 'POST', '/api/v1/auth/login', { body: credentials }));
  const { registration } = await registrationWithCode(system, 1);
  // the id of a registration is unknown to who has not its token: 404 is the answer to a wrong one
  const text = `[generation]
database = "none"
[auth.openapi.session]
bearer = "${body.accessToken}"
[auth.openapi.admin]
bearer = "${body.accessToken}"
[auth.openapi.registration]
bearer = "${registration.token}"
[parameters]
"path.registrationId" = "${registration.id}"
${checksOff.map((name) => `[checks.${name}]\nenabled = false`).join('\n')}
[checks.negative_data_rejection]
expected-statuses = ["4xx", "503"]
[[operations]]
include-path-regex = "registrations/.registrationId"
checks = { ignored_auth = { enabled = false } }
[[operations]]
include-name = "GET /api/v1/registrations/{registrationId}"
parameters = { waitSeconds = "0" }
`;
  return { accessToken: body.accessToken, text };
}

/** Runs schemathesis, which says what it does; answers its exit code. */
async function ask(packages: string, args: string[]): Promise<number> {
  const options = [...args, '--phases', 'examples,coverage,fuzzing', '--continue-on-failure'];
  const child = spawn('python3', ['-m', 'schemathesis.cli', ...options], {
    cwd: folder.path,
    env: { PATH: process.env.PATH, PYTHONPATH: packages, HOME: folder.path, PYTHONUTF8: '1' },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
