/**
 * `npm test`: the tests, on real engines that are started for them.
 *
 * `npm test -- test/domain/verification.test.ts` runs files, `npm test -- "answers 409"` tests by a part of their name,
 * `npm test -- --watch` and other options go to Node's test runner.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { type DataFolder, openTemporaryFolder } from './data-folder.ts';
import { type EngineUrls, startEngines } from './engines.ts';
import { makeBundle, projectFolder } from './processes.ts';
import { listenForStop } from './signals.ts';
import { failure, say } from './summary.ts';

/** Longest a test may take that sets no time of its own. */
const timeoutMs = 600_000;

const stop = listenForStop();
const folder = await openTemporaryFolder(say);
void stop.insisted.then(() => folder.killAll());
const code = await Promise.race([
  main().catch((err: unknown) => {
    failure(err);
    return 1;
  }),
  stop.requested.then(() => 130),
]);
await folder.close();
process.exit(code);

async function main(): Promise<number> {
  const startedAt = Date.now();
  const bundle = join(folder.path, 'workflows.js');
  say('Starting the engines of the tests …');
  const [{ urls }] = await Promise.all([
    startEngines({ folder, elasticsearch: true, appendfsync: 'always' }),
    makeBundle(folder, bundle),
  ]);
  say(`Ready in ${((Date.now() - startedAt) / 1000).toFixed(1)} s.`);
  return await runTests(folder, { ...testVariables(urls), VYRY_TEST_WORKFLOW_BUNDLE: bundle });
}

/** What test/support/engines.ts reads. */
function testVariables(urls: EngineUrls): Record<string, string> {
  return {
    VYRY_TEST_TEMPORAL_ADDRESS: urls.temporalAddress,
    VYRY_TEST_TEMPORAL_UI_URL: urls.temporalUiUrl ?? '',
    VYRY_TEST_REDIS_URL: urls.redisUrl,
    VYRY_TEST_DATABASE_URL: urls.databaseUrl,
    VYRY_TEST_ELASTICSEARCH_URL: urls.elasticsearchUrl ?? '',
    VYRY_TEST_LDAP_URL: urls.ldap.url,
    VYRY_TEST_LDAP_BASE_DN: urls.ldap.baseDn,
    VYRY_TEST_LDAP_BIND_DN: urls.ldap.bindDn,
    VYRY_TEST_LDAP_BIND_PASSWORD: urls.ldap.bindPassword,
    VYRY_TEST_OUTBOX_URL: urls.outboxUrl,
    VYRY_TEST_TWILIO_URL: urls.twilioUrl,
    VYRY_TEST_SMTP_URL: urls.smtpUrl,
    VYRY_TEST_HCAPTCHA_URL: urls.captchaUrls.hcaptcha,
    VYRY_TEST_TURNSTILE_URL: urls.captchaUrls.turnstile,
    VYRY_TEST_RECAPTCHA_URL: urls.captchaUrls.recaptcha,
  };
}

/** The runner gets Ctrl-C from the terminal itself; it is stopped with the folder too. */
function runTests(owner: DataFolder, env: Record<string, string>): Promise<number> {
  const args = [
    '--disable-warning=ExperimentalWarning',
    '--import=./test/support/ends.ts',
    '--test',
    `--test-timeout=${timeoutMs}`,
    '--test-concurrency=2',
    '--test-reporter=spec',
    ...selection(process.argv.slice(2)),
  ];
  const runner = spawn(process.execPath, args, {
    cwd: projectFolder,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  const ended = new Promise<number>((done) => {
    runner.once('exit', (code, signal) => done(code ?? 128 + (signal ? constants.signals[signal] : 0)));
  });
  owner.onClose(async () => {
    runner.kill('SIGTERM');
    await ended;
  });
  return ended;
}

/** Options as they are, files as files, everything else as names of tests; all files when none is named. */
function selection(given: string[]): string[] {
  const options = given.filter((text) => text.startsWith('-'));
  const others = given.filter((text) => !text.startsWith('-'));
  const files = others.filter((text) => existsSync(join(projectFolder, text)) || text.includes('*'));
  const names = others.filter((text) => !files.includes(text)).map((text) => `--test-name-pattern=${text}`);
  return [...options, ...names, ...(files.length > 0 ? files : ['test/**/*.test.ts'])];
}
