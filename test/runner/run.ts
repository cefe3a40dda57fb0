/**
 * `npm test`: runs the tests on real engines that are started for them.
 *
 *     npm test                                          every test except the nightly ones
 *     npm test -- test/domain/verification.test.ts      some files or folders; other text selects tests by a part of their name
 *     npm test -- --changed[=<revision>]                the files that depend on changes since then (HEAD)
 *     npm test -- --nightly                             test/nightly/, in random order, without reruns
 *     npm test -- --stress[=10] [--burners 2] <files>   files (or --changed) many times, next to busy loops
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromiumPath } from '../../engines/chromium.ts';
import { type DataFolder, openTemporaryFolder } from '../../engines/data-folder.ts';
import { type EngineUrls, startEngines } from '../../engines/engines.ts';
import { debianProgram } from '../../engines/obtain.ts';
import { compileCacheFolder, makeBundle, makeWebPage } from '../../engines/processes.ts';
import { listenForStop } from '../../engines/signals.ts';
import { failure, say } from '../../engines/summary.ts';
import { type Choice, chooseFiles } from './choice.ts';
import { runGate } from './gate.ts';
import { readUsage } from './usage.ts';
import { startWarmSystems } from './warm-systems.ts';

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

interface Options extends Choice {
  rounds: number;
  burners: number;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  const chosen = chooseFiles(options, options.nightly ? Math.random : undefined);
  if (chosen.files.length + chosen.units.length === 0) {
    say('No test file depends on the changes.');
    return 0;
  }
  const usage = readUsage();
  say('Starting the test engines …');
  const env = await startAll(folder);
  say(`Ready in ${usage.seconds().toFixed(1)} s.`);
  await using _burners = startBurners(folder, options.burners);
  let worst = 0;
  for (let round = 1; round <= options.rounds && !folder.signal.aborted; round++) {
    if (options.rounds > 1) say(`Round ${round} of ${options.rounds}`);
    const isFirstTryFinal = options.nightly || options.rounds > 1;
    const code = await runGate(chosen, { env, signal: folder.signal, isFirstTryFinal, usage });
    worst = Math.max(worst, code);
  }
  return worst;
}

/** @throws {Error} an option is unknown or is not a number */
function readOptions(args: string[]): Options {
  // --changed and --stress may have no value, which parseArgs does not support
  const given = args.map((arg) => ({ '--changed': '--changed=HEAD', '--stress': '--stress=10' })[arg] ?? arg);
  const { values, positionals } = parseArgs({
    args: given,
    allowPositionals: true,
    options: {
      changed: { type: 'string' },
      nightly: { type: 'boolean', default: false },
      stress: { type: 'string', default: '1' },
      burners: { type: 'string' },
    },
  });
  const rounds = readCount('--stress', values.stress);
  const burners = readCount('--burners', values.burners ?? (rounds > 1 ? '1' : '0'));
  if (rounds > 1 && positionals.length === 0 && values.changed === undefined) values.changed = 'HEAD';
  return { given: positionals, changedSince: values.changed, nightly: values.nightly, rounds, burners };
}

function readCount(option: string, text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new Error(`${option} takes a number up to 999`);
  return Number(text);
}

/** Starts the engines and returns the variables that name them. */
async function startAll(owner: DataFolder): Promise<Record<string, string>> {
  const bundle = join(owner.path, 'workflows.js');
  const web = join(owner.path, 'web');
  const [{ urls }] = await Promise.all([
    startEngines({ folder: owner, elasticsearch: true, appendfsync: 'always' }),
    makeBundle(owner, bundle),
    makeWebPage(owner, web),
    provideChromium(owner),
  ]);
  const warm = await startWarmSystems(urls, { compileCache: compileCacheFolder });
  owner.onClose(async () => await warm[Symbol.asyncDispose]());
  return {
    ...testVariables(urls),
    VYRY_TEST_WORKFLOW_BUNDLE: bundle,
    VYRY_TEST_WEB_FOLDER: web,
    VYRY_TEST_WARM_SYSTEMS_URL: warm.url,
    NODE_COMPILE_CACHE: compileCacheFolder,
  };
}

/** Installs Chromium where it is missing. Where that is impossible, the tests of pages print why they are skipped. */
async function provideChromium(owner: DataFolder): Promise<void> {
  if (chromiumPath() !== undefined) return;
  await debianProgram('chromium', ['chromium'], owner).catch((err: unknown) =>
    say(`The tests of pages are skipped, because Chromium is missing: ${(err as Error).message}`),
  );
}

/** The variables read by test/support/engines.ts. */
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
    VYRY_TEST_WEBPUSH_URL: urls.webpushUrl,
    VYRY_TEST_APNS_URL: urls.apnsUrl,
    VYRY_TEST_SIGNAL_SERVER_URL: urls.signalServerUrl,
    VYRY_TEST_HCAPTCHA_URL: urls.captchaUrls.hcaptcha,
    VYRY_TEST_TURNSTILE_URL: urls.captchaUrls.turnstile,
    VYRY_TEST_RECAPTCHA_URL: urls.captchaUrls.recaptcha,
  };
}

/** Starts processes that each keep one core busy, as other load on the machine would. */
function startBurners(owner: DataFolder, count: number): AsyncDisposable {
  const burners = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
  );
  const end = async () => {
    for (const burner of burners) burner.kill('SIGKILL');
  };
  owner.onClose(end);
  return { [Symbol.asyncDispose]: end };
}
