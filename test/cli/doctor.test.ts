import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { newVapidPrivateKey } from '../../adapters/http/webpush.ts';
import { findingOf } from '../../cli/checks/ldap.ts';
import { freePort } from '../../engines/ports.ts';
import { setFault } from '../support/faults.ts';
import { startTestDirectory, type TestDirectory } from '../support/ldap.ts';
import { projectFolder, runNode } from '../support/node-process.ts';
import { completedRegistration } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { vyryFor, vyryProcessFor } from '../support/vyry.ts';
import { withSystem } from '../support/with-system.ts';

interface Finding {
  check: string;
  verdict: string;
  about: string;
  advice?: string;
}

const keys = { INFOBIP_API_KEY: 'fake', RESEND_API_KEY: 'fake', SENDGRID_API_KEY: 'fake' };
const { system } = await withSystem({ INFOBIP_FROM: 'Vyry', ...keys }, { elasticsearch: true });

/** Runs the doctor with these variables. `of` returns the verdict and finding of a check. */
async function diagnose(env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await vyryFor(system, env)(['doctor', '--json']);
  const findings = JSON.parse(stdout) as Finding[];
  const of = (check: string) => {
    const found = findings.find((finding) => finding.check.startsWith(check));
    assert.ok(found, `${check}: ${stdout}`);
    return `${found.verdict}: ${found.about}`;
  };
  return { code, stderr, findings, of, text: stdout };
}

/** Returns the LDAP finding for a directory. */
async function diagnoseLdap(directory: TestDirectory, env: Record<string, string>): Promise<string> {
  const { code, of } = await diagnose({
    LDAP_URL: directory.url,
    LDAP_BASE_DN: directory.baseDn,
    LDAP_BIND_DN: directory.bindDn,
    LDAP_BIND_PASSWORD: directory.bindPassword,
    ...env,
  });
  assert.equal(code, 1);
  return of('ldap');
}

describe('vyry doctor', () => {
  it('exits with 0 for a system that works', async () => {
    const { code, stderr, findings, of, text } = await diagnose();
    assert.deepEqual([code, stderr], [0, ''], text);
    assert.deepEqual(
      findings.filter(({ verdict }) => verdict !== 'ok').map(({ check, about }) => `${check}: ${about}`),
      ['worker versions: no WORKER_DEPLOYMENT: a deploy moves every workflow'],
    );
    assert.match(of('redis'), /^ok: version \d.*append-only file on$/);
    assert.match(of('worker registration'), /polls? its task queue/);
    assert.match(of('audit log'), /events wait/);
    const names = findings.map(({ check }) => check.split(' ')[0]);
    for (const name of [
      ...[
        'configuration',
        'mongodb',
        'migrations',
        'temporal',
        'ldap',
        'twilio',
        'infobip',
        'mail',
        'resend',
        'sendgrid',
        'push',
      ],
      'signal-server',
      ...['elasticsearch', 'captcha'],
    ]) {
      assert.ok(names.includes(name), name);
    }
  });

  it('prints what to do below each failed check', async () => {
    const { code, stdout, stderr } = await vyryFor(system, { TWILIO_AUTH_TOKEN: 'wrong' })(['doctor']);
    assert.equal(code, 1);
    assert.match(stdout, /^FAILED +twilio +credentials refused\n +Check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN\.$/m);
    assert.match(stderr, /^1 of \d+ checks failed\.\n$/);
  });

  it('advises to wait for a failing provider, not to change its key', async () => {
    const { outboxUrl } = system.ready;
    await setFault(outboxUrl, { channel: 'sms', mode: 'error500' });
    const { findings } = await diagnose().finally(() => setFault(outboxUrl, { channel: 'sms', mode: 'none' }));
    const { about, advice } = findings.find(({ check }) => check === 'twilio') ?? {};
    assert.deepEqual([about, advice], ['answers 500', 'Wait, and see the status page of the provider.']);
  });

  it('names bad variables and never their values', async () => {
    const { of, text } = await diagnose({ JWT_SECRET: 'canary', OTP_TTL: 'canary', TWILIO_FROM: '' });
    assert.match(
      of('configuration of api'),
      /^failed: .*JWT_SECRET must be at least 32.*OTP_TTL must be a whole number/,
    );
    assert.match(of('configuration of delivery'), /TWILIO_ACCOUNT_SID needs TWILIO_AUTH_TOKEN and TWILIO_FROM/);
    assert.equal(of('configuration of directory').startsWith('ok'), true);
    assert.doesNotMatch(text, /canary/);
  });

  it('reports each unavailable engine on its own', async () => {
    const { code, of } = await diagnose({
      REDIS_URL: 'redis://127.0.0.1:1',
      DATABASE_URL: 'mongodb://127.0.0.1:1/x',
      TEMPORAL_ADDRESS: '127.0.0.1:1',
      ELASTICSEARCH_URL: 'http://127.0.0.1:1',
      SMTP_URL: 'smtp://127.0.0.1:1',
      TWILIO_API_BASE_URL: 'http://127.0.0.1:1',
      INFOBIP_BASE_URL: 'http://127.0.0.1:2',
      RESEND_API_BASE_URL: 'http://127.0.0.1:2',
      SENDGRID_API_BASE_URL: 'http://127.0.0.1:2',
    });
    assert.equal(code, 1);
    assert.match(of('redis'), /^failed: does not answer: ECONNREFUSED$/);
    assert.match(of('mongodb'), /^failed: does not answer: ECONNREFUSED$/);
    assert.equal(of('temporal'), 'failed: does not answer');
    assert.match(of('elasticsearch'), /^failed: does not answer/);
    assert.equal(of('mail'), 'failed: unreachable');
    for (const provider of ['twilio', 'infobip', 'resend', 'sendgrid'])
      assert.equal(of(provider), 'failed: unreachable');
  });

  it('reports how providers respond to their keys, and what to do', async () => {
    const unknown = { INFOBIP_API_KEY: 'unknown', RESEND_API_KEY: 'unknown', SENDGRID_API_KEY: 'unknown' };
    const refused = await diagnose({ ...unknown, VAPID_PRIVATE_KEY: newVapidPrivateKey() });
    assert.equal(refused.code, 1);
    for (const provider of ['infobip', 'resend', 'sendgrid']) {
      assert.equal(refused.of(provider), 'failed: credentials refused');
      const advice = refused.findings.find(({ check }) => check === provider)?.advice;
      assert.match(advice ?? '', new RegExp(`^Check ${provider.toUpperCase()}_API_KEY`));
    }
    assert.equal(refused.of('push'), 'failed: VAPID_PUBLIC_KEY is not the key of VAPID_PRIVATE_KEY');
    const full = { RESEND_API_KEY: 'full-access', SENDGRID_API_KEY: 'reading' };
    const verified = await diagnose({ ...full, MAIL_FROM: 'Vyry <codes@example.org>' });
    assert.equal(verified.of('resend'), 'warning: accepts the key; example.org is verified');
    assert.equal(verified.of('sendgrid'), 'failed: the key may not send');
    const pending = await diagnose({ ...full, MAIL_FROM: 'codes@example.net' });
    assert.equal(pending.of('resend'), 'failed: example.net is not verified');
    assert.doesNotMatch(verified.text + refused.text, /full-access|reading/);
  });

  it('reports what a namespace lacks', async () => {
    const { of } = await diagnose({ TEMPORAL_NAMESPACE: 'nobody-made-it' });
    assert.equal(of('temporal'), 'failed: has no namespace nobody-made-it');
    const empty = await diagnose({ TEMPORAL_NAMESPACE: 'temporal-system' });
    assert.match(empty.of('search attributes'), /^failed: missing: VyryStep, VyryState/);
    assert.equal(empty.of('worker delivery'), 'failed: no worker polls its task queue');
  });

  it('checks what the step signal needs, if the policy lists it', async () => {
    const { of, findings } = await diagnose();
    assert.equal(of('signal-server'), 'ok: responds; REGISTRATION_STEPS does not list signal');
    assert.equal(
      findings.some(({ check }) => check === 'worker signal'),
      false,
    );
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    // In a namespace where Vyry never runs: Temporal lists the pollers of an earlier system for minutes.
    const TEMPORAL_NAMESPACE = 'temporal-system';
    const listed = await diagnose({
      TEMPORAL_NAMESPACE,
      REGISTRATION_STEPS: 'code,signal',
      SIGNAL_SERVER_URL: nowhere,
    });
    assert.equal(listed.of('worker signal'), 'failed: no worker polls its task queue');
    assert.equal(listed.of('signal-server'), 'failed: unreachable');
    const none = await diagnose({ SIGNAL_SERVER_URL: '' });
    assert.equal(none.of('signal-server'), 'off: not configured: no step signal');
    assert.equal(none.of('configuration of signal'), 'off: no SIGNAL_SERVER_URL');
  });

  it('reports a missing index template for audit events', async () => {
    const { of } = await diagnose({ AUDIT_INDEX: 'nobody-made-it' });
    assert.equal(of('elasticsearch'), 'failed: has no index template nobody-made-it-audit');
  });

  it('warns about test keys of a captcha, and reports missing keys', async () => {
    const keys = { CAPTCHA_SITE_KEY: 'site', CAPTCHA_SECRET: '0x0000000000000000000000000000000000000000' };
    const warned = await diagnose({ CAPTCHA_PROVIDER: 'hcaptcha', ...keys });
    assert.match(warned.of('captcha'), /^warning: hcaptcha with the test keys of the provider/);
    assert.equal(warned.code, 0);
    const missing = await diagnose({ CAPTCHA_PROVIDER: 'turnstile' });
    assert.match(missing.of('configuration of api'), /CAPTCHA_PROVIDER turnstile needs/);
  });
});

describe('vyry doctor on a directory', () => {
  it('reports why a bind fails', async () => {
    await using directory = await startTestDirectory();
    const bad = { LDAP_BIND_PASSWORD: 'wrong' };
    assert.equal(await diagnoseLdap(directory, bad), 'failed: bind of the service account: invalid credentials (49)');
    const base = { LDAP_BASE_DN: 'ou=nowhere,dc=example,dc=org' };
    assert.equal(await diagnoseLdap(directory, base), 'failed: base DN: the base DN does not exist');
    const startTls = { LDAP_START_TLS: 'true' };
    assert.equal(await diagnoseLdap(directory, startTls), 'failed: connection: the server refuses StartTLS');
    const away = { LDAP_URL: 'ldap://127.0.0.1:1' };
    assert.equal(await diagnoseLdap(directory, away), 'failed: connection: the server cannot be reached');
  });

  it('reports what is wrong with a certificate', async () => {
    await using stranger = await startTestDirectory({ certificate: 'valid' });
    const untrusted = await diagnoseLdap(stranger, { LDAP_URL: stranger.tlsUrl ?? '' });
    assert.match(untrusted, /^failed: connection: the certificate is not trusted \(\w+\)$/);
    await using other = await startTestDirectory({ certificate: 'wrong-host' });
    const wrongHost = await diagnoseLdap(other, { LDAP_START_TLS: 'true', LDAP_TLS_CA: other.ca ?? '' });
    assert.match(wrongHost, /the certificate is for another host/);
    await using late = await startTestDirectory({ certificate: 'expired' });
    const expired = await diagnoseLdap(late, { LDAP_URL: late.tlsUrl ?? '', LDAP_TLS_CA: late.ca ?? '' });
    assert.match(expired, /the certificate has expired/);
  });

  it('explains LDAP result codes and sub-codes of Active Directory in words', () => {
    const said = (detail: string, subCode?: string, reason = 'service-bind-refused') =>
      findingOf({ url: 'ldaps://ad.example.org', stoppedAt: 'bind', reason, detail, ...(subCode && { subCode }) })
        .about;
    const words = {
      '525': 'user not found',
      '52e': 'wrong password',
      '530': 'at this time',
      '531': 'from this computer',
    };
    const more = { '532': 'password has expired', '533': 'disabled', '701': 'account has expired' };
    const last = { '773': 'must be changed', '775': 'locked' };
    for (const [code, word] of Object.entries({ ...words, ...more, ...last })) {
      assert.match(said('49', code), new RegExp(`${word}.* \\(49, ${code}\\)$`));
    }
    assert.match(said('8', undefined, 'confidentiality-required'), /strong authentication required \(8\)/);
    assert.match(said('50', undefined, 'server-error'), /insufficient access \(50\)/);
    assert.match(said('53'), /unwilling to perform, as for a disabled account \(53\)/);
    assert.match(said('80', undefined, 'server-error'), /server error \(80\)/);
  });
});

describe('vyry doctor --login', () => {
  it('checks a name and a password, which is read from standard input and is never an argument', async () => {
    const vyry = vyryFor(system);
    const right = await vyryProcessFor(system)(['doctor', '--login', 'ada'], 'analytical-engine\n');
    assert.equal(right.code, 0, right.stderr);
    assert.match(right.stdout, /^ok +login +the password is correct; the entry has an address, a number/);
    assert.doesNotMatch(right.stdout + right.stderr, /analytical/);
    const answers = { 'ada wrong': /the password is wrong/, 'nobody x': /the user name was not found/ };
    for (const [given, expected] of Object.entries(answers)) {
      const [name = '', password = ''] = given.split(' ');
      const { code, stdout } = await vyry(['doctor', '--login', name], `${password}\n`);
      assert.equal(code, 1);
      assert.match(stdout, expected);
    }
    assert.match((await vyry(['doctor', '--login', 'mallory'], 'disabled-entry\n')).stdout, /the account is/);
    assert.equal((await vyry(['doctor', '--login', 'ada'])).code, 2);
  });
});

describe('vyry audit tail', () => {
  it('prints the newest events in order, filtered by action, registration and user', async () => {
    const registration = await completedRegistration(system, 70);
    const vyry = vyryFor(system);
    const eventsOf = async (...filter: string[]) => {
      const { code, stdout, stderr } = await vyry(['audit', 'tail', '--json', ...filter]);
      assert.equal(code, 0, stderr);
      return stdout
        .split(/^(?=\{)/m)
        .filter(Boolean)
        .map((text) => JSON.parse(text));
    };
    // Elasticsearch finds an event only some seconds after it was stored
    await until(
      async () => (await eventsOf('--registration', registration.id, '--action', 'user-register')).length === 1,
    );
    const own = await eventsOf('--registration', registration.id);
    assert.equal(own[0].action, 'registration-start');
    assert.deepEqual(
      own.map(({ vyry: { audit } }) => audit.sequence),
      own.map(({ vyry: { audit } }) => audit.sequence).toSorted((a, b) => a - b),
    );
    const { userId } = own.find(({ action }) => action === 'user-register');
    await vyry(['users', 'disable', userId, '--by', 'alice']);
    await until(async () => (await eventsOf('--user', userId, '--action', 'user-disable')).length === 1);
    // by action as well: the welcome e-mail may be sent later
    const filter = ['--user', userId, '--action', 'user-disable'];
    const { stdout } = await vyry(['audit', 'tail', ...filter, '--limit', '1']);
    assert.match(stdout, /^\S+Z user-disable +success An account was disabled · operator alice · user \S+\n$/);
  });

  it('follows new events and prints each once', async () => {
    const registration = await completedRegistration(system, 71);
    const program = `${projectFolder}/cli/main.ts`;
    const args = [
      'audit',
      'tail',
      '--follow',
      '--registration',
      registration.id,
      '--env-file',
      `${system.folder.path}/operator.env`,
    ];
    const { stdout } = await runNode(['--', program, ...args], {
      onOutput: (text, kill) => void (text.includes('user-register') && kill('SIGTERM')),
    });
    const lines = stdout.trim().split('\n');
    assert.equal(new Set(lines).size, lines.length);
    assert.equal(lines.filter((line) => line.includes(' registration-start ')).length, 1);
  });

  it('reports that Elasticsearch is unavailable', async () => {
    const away = vyryFor(system, { ELASTICSEARCH_URL: 'http://127.0.0.1:1' });
    for (const command of ['tail', 'verify']) {
      const { code, stderr } = await away(['audit', command]);
      assert.equal(code, 1);
      assert.match(stderr, /^Elasticsearch does not answer \(ELASTICSEARCH_URL\)/, command);
    }
    const { stderr } = await vyryFor(system, { REDIS_URL: 'redis://127.0.0.1:1' })(['audit', 'verify']);
    assert.match(stderr, /^Redis does not answer \(REDIS_URL\)/);
  });
});
