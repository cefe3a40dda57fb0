/**
 * `npm run test:fuzz`: schemathesis sends a private system valid and invalid requests made from its OpenAPI document,
 * and checks the responses: no 5xx, no undocumented status or body, no access without a token, no invalid request
 * accepted. Exits with 1 when it finds something. Arguments after `--` go to schemathesis, such as `-- --max-time 600
 * --seed 7`.
 *
 * It uses the session of an admin and a registration whose code was sent. The operations that end either of them run
 * last.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DataFolder, openTemporaryFolder } from '../engines/data-folder.ts';
import { findProgram, obtain } from '../engines/obtain.ts';
import { type System, startSystemIn } from '../engines/system.ts';
import { runTool } from '../engines/tools.ts';
import { variables } from '../platform/config/variables.ts';
import { call } from './support/client.ts';
import { completedRegistration, must, registrationWithCode } from './support/registrations.ts';
import { jsonOf, vyryFor } from './support/vyry.ts';

const version = '4.32.5';
/**
 * Disabled checks: valid input may be refused (a wrong code, an unknown name); and checks that need a stateful run.
 */
const checksOff = [
  'positive_data_acceptance',
  'use_after_free',
  'ensure_resource_availability',
  'object_level_authorization',
];
/** Operations that end the session or the registration used by all others. */
const lasts = [
  'POST /api/v1/auth/logout',
  'DELETE /api/v1/auth/sessions/{sessionId}',
  'DELETE /api/v1/registrations/{registrationId}',
  'DELETE /api/v1/users/me',
  'DELETE /api/v1/devices/{deviceId}',
];
/** Operations that wait longer for a change than schemathesis waits for an answer. */
const longPolls = [
  'GET /api/v1/registrations/{registrationId}',
  'GET /api/v1/device-links',
  'GET /api/v1/device-links/{linkId}',
  'GET /api/v1/device-links/{linkId}/request',
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
  const system = await startSystemIn(folder, { env });
  const { accessToken, text } = await prepare(system);
  const config = join(folder.path, 'schemathesis.toml');
  writeFileSync(config, text);
  const run = (which: string, more: string[]) => {
    const names = lasts.flatMap((name) => [which, name]);
    return ask(packages, ['--config-file', config, 'run', `${system.ready.apiUrl}/openapi.json`, ...names, ...more]);
  };
  const first = await run('--exclude-name', ['--max-time', '240', ...process.argv.slice(2)]);
  // the session must still be valid: otherwise the operations that need it were not tested
  await must(call(system.ready.apiUrl, 'GET', '/api/v1/auth/session', { token: accessToken }));
  const last = await run('--include-name', ['--max-examples', '20']);
  process.exitCode = first === 0 && last === 0 ? 0 : 1;
} finally {
  await folder.close();
}

/**
 * The folder of the Python packages, downloaded once. Its name matters: Hypothesis takes packages outside of a folder
 * `site-packages` for the code under test and generates the texts in them, such as the header value
 * `@@@SKIP_HEADER@@@`, which urllib3 refuses to send.
 *
 * @throws {Error} there is no Python 3 with pip, or the download failed
 */
async function schemathesis(owner: DataFolder): Promise<string> {
  const python = findProgram('python3');
  if (python === undefined) throw new Error('npm run test:fuzz needs Python 3.10 or later with pip: install it');
  const what = `the PyPI package schemathesis ${version} (about a minute)`;
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `schemathesis==${version}`];
  const make = async (target: string) => {
    await runTool(owner, python, [...install, '--target', join(target, 'site-packages')]);
  };
  const obtained = await obtain(`schemathesis-${version}-site`, [{ what, isPossible: true, make }], owner);
  return join(obtained, 'site-packages');
}

/**
 * Returns the access token of an admin and the configuration: a token per security scheme, and the id of the
 * registration that its token belongs to.
 */
async function prepare(system: System): Promise<{ accessToken: string; text: string }> {
  const completed = await completedRegistration(system, 0);
  jsonOf(await vyryFor(system)(['users', 'grant', 'person000', 'admin', '--yes', '--json']));
  // a session of the device that was registered
  const { body } = await must(completed.call('POST', '/session'), 201);
  const { registration } = await registrationWithCode(system, 1);
  // without its token a registration is unknown: a wrong token gets 404
  const text = `[generation]
database = "none"
[auth.openapi.session]
bearer = "${body.accessToken}"
[auth.openapi.device]
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
${longPolls.map((name) => `[[operations]]\ninclude-name = "${name}"\nparameters = { waitSeconds = "0" }`).join('\n')}
`;
  return { accessToken: body.accessToken, text };
}

/** Runs schemathesis, which prints its findings, and returns its exit code. */
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
