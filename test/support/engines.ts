/** The engines that `npm test` has started for all test files. */
import type { EngineUrls } from '../../engines/engines.ts';

/** Returns the addresses of the shared engines. Use unique names in them: database, key prefix, namespace, index. */
export function testEngines(): EngineUrls {
  return {
    temporalAddress: testVariable('VYRY_TEST_TEMPORAL_ADDRESS'),
    ...(process.env.VYRY_TEST_TEMPORAL_UI_URL && { temporalUiUrl: process.env.VYRY_TEST_TEMPORAL_UI_URL }),
    redisUrl: testVariable('VYRY_TEST_REDIS_URL'),
    databaseUrl: testVariable('VYRY_TEST_DATABASE_URL'),
    elasticsearchUrl: testVariable('VYRY_TEST_ELASTICSEARCH_URL'),
    ldap: {
      url: testVariable('VYRY_TEST_LDAP_URL'),
      baseDn: testVariable('VYRY_TEST_LDAP_BASE_DN'),
      bindDn: testVariable('VYRY_TEST_LDAP_BIND_DN'),
      bindPassword: testVariable('VYRY_TEST_LDAP_BIND_PASSWORD'),
    },
    outboxUrl: testVariable('VYRY_TEST_OUTBOX_URL'),
    twilioUrl: testVariable('VYRY_TEST_TWILIO_URL'),
    smtpUrl: testVariable('VYRY_TEST_SMTP_URL'),
    webpushUrl: testVariable('VYRY_TEST_WEBPUSH_URL'),
    apnsUrl: testVariable('VYRY_TEST_APNS_URL'),
    signalServerUrl: testVariable('VYRY_TEST_SIGNAL_SERVER_URL'),
    captchaUrls: {
      hcaptcha: testVariable('VYRY_TEST_HCAPTCHA_URL'),
      turnstile: testVariable('VYRY_TEST_TURNSTILE_URL'),
      recaptcha: testVariable('VYRY_TEST_RECAPTCHA_URL'),
    },
  };
}

/** Returns the path of the workflow bundle of the current code. */
export function testBundle(): string {
  return testVariable('VYRY_TEST_WORKFLOW_BUNDLE');
}

/** Returns the folder of the page at `/app` of the current code. */
export function testWebPage(): string {
  return testVariable('VYRY_TEST_WEB_FOLDER');
}

/**
 * Returns a variable that `npm test` sets.
 * @throws {Error} it is missing
 */
export function testVariable(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is missing: run this test by \`npm test -- <file>\`, which starts the engines`);
  return value;
}
