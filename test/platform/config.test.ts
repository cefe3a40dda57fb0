import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { operatorEnvironment, readConfig, readVariables } from '../../platform/config/config.ts';
import { type Role, roles } from '../../platform/config/roles.ts';
import { Secret } from '../../platform/config/secret.ts';
import { namesFrom, variables, variablesOf } from '../../platform/config/variables.ts';

const randomKey = () => randomBytes(32).toString('base64');

/** The environment that lets every role start in production. */
function completeEnvironment(): Record<string, string> {
  return {
    DATABASE_URL: 'mongodb://db.internal:27017/vyry',
    REDIS_URL: 'redis://redis.internal:6379',
    TEMPORAL_ADDRESS: 'temporal.internal:7233',
    PAYLOAD_KEY: randomKey(),
    DATA_KEY: randomKey(),
    AUDIT_KEY: randomKey(),
    ELASTICSEARCH_URL: 'https://elasticsearch.internal:9200',
    JWT_SECRET: randomBytes(48).toString('base64'),
    LDAP_URL: 'ldaps://one.internal, ldaps://two.internal',
    LDAP_BIND_DN: 'cn=vyry,dc=internal',
    LDAP_BIND_PASSWORD: 'a real password of somebody',
    LDAP_BASE_DN: 'dc=internal',
    SIGNAL_SERVER_URL: 'https://signal.internal',
  };
}

const requiredOf = (role: Role) =>
  variablesOf(role)
    .filter(([, variable]) => variable.default === undefined)
    .map(([name]) => name);

function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (err) {
    return (err as Error).message;
  }
  throw new Error('Nothing was thrown');
}

describe('readConfig()', () => {
  it('lists every missing variable of a role in one error, each with its description', () => {
    for (const role of roles) {
      const message = messageOf(() => readConfig(role, {}));
      const [headline, ...lines] = message.split('\n');
      assert.equal(headline, `Bad configuration of ${role}:`);
      const expected = requiredOf(role).map(
        (name) => `  ${name} is missing: ${variablesOfRole(role).get(name)?.about}`,
      );
      assert.deepEqual(lines, expected);
      assert.ok(expected.length >= 3);
    }
  });

  it('treats an empty variable as unset', () => {
    const message = messageOf(() => readConfig('delivery', { REDIS_URL: '', TEMPORAL_ADDRESS: '', PAYLOAD_KEY: '' }));
    for (const name of requiredOf('delivery')) assert.match(message, new RegExp(`${name} is missing`));
    assert.equal(readConfig('delivery', { ...completeEnvironment(), LOG_LEVEL: '' }).LOG_LEVEL, 'info');
  });

  it('lists missing and bad variables in the same error', () => {
    const env = { ...completeEnvironment(), SERVER_PORT: '70000', JWT_SECRET: 'short', REDIS_URL: '', OTP_TTL: '3m' };
    const message = messageOf(() => readConfig('api', env));
    assert.match(message, /SERVER_PORT must be at most 65535/);
    assert.match(message, /JWT_SECRET must be at least 32 characters/);
    assert.match(message, /REDIS_URL is missing/);
    assert.match(message, /OTP_TTL must be a whole number/);
    assert.equal(message.split('\n').length, 5);
  });

  it('never shows the value of a bad variable', () => {
    for (const role of roles) {
      for (const [name] of variablesOf(role)) {
        const canary = 'canary-value\u0000<>';
        let message = '';
        try {
          readConfig(role, { ...completeEnvironment(), [name]: canary });
        } catch (err) {
          message = `${inspect(err)} ${(err as Error).message}`;
        }
        assert.equal(message.includes('canary'), false, `${role} ${name}`);
      }
    }
  });

  it('refuses a key that is not 32 bytes long', () => {
    for (const PAYLOAD_KEY of [randomBytes(31), randomBytes(33)].map((bytes) => bytes.toString('base64'))) {
      const read = () => readConfig('delivery', { ...completeEnvironment(), PAYLOAD_KEY });
      assert.match(messageOf(read), /PAYLOAD_KEY must be 32 bytes in base64/);
    }
  });

  it('refuses every sample secret in production and accepts it in development', () => {
    const samples = Object.fromEntries(
      Object.entries(variables).flatMap(([name, variable]) =>
        'example' in variable ? [[name, variable.example]] : [],
      ),
    );
    for (const role of roles) readConfig(role, samples);
    const message = (role: Role) => messageOf(() => readConfig(role, { ...samples, NODE_ENV: 'production' }));
    assert.match(
      message('api'),
      /PAYLOAD_KEY is a sample value\n {2}DATA_KEY is a sample value\n {2}AUDIT_KEY is a sample value\n {2}JWT_SECRET is a/,
    );
    assert.match(message('registration'), /PAYLOAD_KEY is a sample value\n {2}DATA_KEY is a sample value/);
    assert.match(
      message('directory'),
      /PAYLOAD_KEY is a sample value\n {2}AUDIT_KEY is a sample value\n {2}LDAP_BIND_PASSWORD is a sample value/,
    );
    assert.match(message('delivery'), /PAYLOAD_KEY is a sample value/);
  });

  it('refuses a sample among older keys in production', () => {
    const sample = variables.PAYLOAD_KEY.example;
    const env = { ...completeEnvironment(), NODE_ENV: 'production', PAYLOAD_KEYS_OLD: `${randomKey()},${sample}` };
    assert.match(
      messageOf(() => readConfig('delivery', env)),
      /PAYLOAD_KEYS_OLD is a sample value/,
    );
  });

  it('refuses last-digits codes and test numbers that real people may have in production', () => {
    const read = (given: Record<string, string>, NODE_ENV = 'production') =>
      readConfig('delivery', { ...completeEnvironment(), ...given, NODE_ENV });
    const real = { TEST_NUMBERS: '+15550100001=123456,+4915212345678=987654' };
    const message = messageOf(() => read(real));
    assert.match(message, /TEST_NUMBERS must list only numbers reserved for fiction/);
    for (const secret of ['4915212345678', '987654', '123456']) assert.equal(message.includes(secret), false, message);
    const lastDigits = { SMS_PROVIDERS: 'last-digits' };
    assert.match(
      messageOf(() => read(lastDigits)),
      /SMS_PROVIDERS must not be last-digits/,
    );
    assert.equal(read({ TEST_NUMBERS: '+15550100001=123456' }).TEST_NUMBERS.size, 1);
    assert.equal(read(real, 'development').TEST_NUMBERS.size, 2);
    assert.ok(read(lastDigits, 'development').SMS_PROVIDERS.has('last-digits'));
    assert.equal(inspect(read({ TEST_NUMBERS: '+15550100001=123456' })).includes('123456'), false);
  });

  it('accepts real values in production', () => {
    const env = { ...completeEnvironment(), NODE_ENV: 'production' };
    for (const role of roles) assert.equal(readConfig(role, env).NODE_ENV, 'production');
  });

  it('returns the variables of the role only', () => {
    for (const role of roles) {
      const names = Object.keys(readConfig(role, completeEnvironment()));
      assert.deepEqual(
        names,
        variablesOf(role).map(([name]) => name),
      );
    }
    assert.equal('JWT_SECRET' in readConfig('registration', completeEnvironment()), false);
    assert.equal('DATA_KEY' in readConfig('delivery', completeEnvironment()), false);
    assert.equal('LDAP_BIND_PASSWORD' in readConfig('delivery', completeEnvironment()), false);
  });

  it('returns an immutable object', () => {
    const config = readConfig('delivery', completeEnvironment()) as Record<string, unknown>;
    assert.throws(() => {
      config.OTP_TTL = 1;
    }, TypeError);
  });

  it('splits lists at commas and blanks', () => {
    const config = readConfig('directory', completeEnvironment());
    assert.deepEqual(config.LDAP_URL, ['ldaps://one.internal', 'ldaps://two.internal']);
    const env = { ...completeEnvironment(), OTP_RESEND_WAITS: '1, 2,3' };
    assert.deepEqual(readConfig('api', env).OTP_RESEND_WAITS, [1, 2, 3]);
  });

  it('refuses URLs of another protocol', () => {
    const env = { ...completeEnvironment(), REDIS_URL: 'http://redis.internal', DATABASE_URL: 'not a url' };
    const message = messageOf(() => readConfig('api', env));
    assert.match(message, /REDIS_URL must be a URL \(redis:, rediss:\)/);
    assert.match(message, /DATABASE_URL must be a URL \(mongodb:, mongodb\+srv:\)/);
  });

  it('refuses a user filter without the user name', () => {
    const env = { ...completeEnvironment(), LDAP_USER_FILTER: '(objectClass=*)' };
    assert.match(
      messageOf(() => readConfig('directory', env)),
      /LDAP_USER_FILTER must contain \{username\}/,
    );
  });
});

describe('readVariables()', () => {
  it('reads the given variables, whichever roles hold them, and requires no other', () => {
    const { LDAP_URL, JWT_SECRET } = completeEnvironment();
    const config = readVariables(['LDAP_URL', 'LDAP_TIMEOUT'], { LDAP_URL, JWT_SECRET });
    assert.deepEqual(config, { LDAP_URL: ['ldaps://one.internal', 'ldaps://two.internal'], LDAP_TIMEOUT: 3000 });
    assert.match(
      messageOf(() => readVariables(['REDIS_URL'], {})),
      /^Bad configuration:\n {2}REDIS_URL is missing/,
    );
  });
});

describe('namesFrom()', () => {
  it('returns the names of the variables of one dependency', () => {
    const names = [
      'TWILIO_ACCOUNT_SID',
      'TWILIO_AUTH_TOKEN',
      'TWILIO_WEBHOOK_TOKEN',
      'TWILIO_FROM',
      'TWILIO_API_BASE_URL',
    ];
    assert.deepEqual(namesFrom('TWILIO_'), names);
  });
});

describe('operatorEnvironment()', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vyry-operator-'));
  after(() => rmSync(folder, { recursive: true }));
  const fallback = join(folder, 'operator.env');
  writeFileSync(fallback, "REDIS_URL='redis://file'\nTEMPORAL_ADDRESS='file:7233'\nPATH='/nowhere'\n");
  const pem = '-----BEGIN CERTIFICATE-----\n#"\n-----END CERTIFICATE-----';

  it('reads the fallback file when no variable selects an installation', () => {
    const env = operatorEnvironment({ fallback }, { LOG_LEVEL: 'debug', HOME: '/x' });
    assert.deepEqual(env, { REDIS_URL: 'redis://file', TEMPORAL_ADDRESS: 'file:7233', LOG_LEVEL: 'debug' });
  });

  it('never mixes two installations', () => {
    assert.deepEqual(operatorEnvironment({ fallback }, { DATABASE_URL: 'x' }), { DATABASE_URL: 'x' });
    assert.deepEqual(operatorEnvironment({ fallback: join(folder, 'none') }, {}), {});
  });

  it('always reads a file given by name; variables that are set win', () => {
    const env = operatorEnvironment({ fallback: '', file: fallback }, { REDIS_URL: 'redis://set' });
    assert.deepEqual(env, { REDIS_URL: 'redis://set', TEMPORAL_ADDRESS: 'file:7233' });
    assert.throws(() => operatorEnvironment({ fallback, file: join(folder, 'none') }, {}), /ENOENT/);
  });

  it('reads files named by NAME_FILE, and values of several lines', () => {
    const file = join(folder, 'ca.pem');
    writeFileSync(file, `${pem}\n`);
    assert.equal(operatorEnvironment({ fallback: '' }, { GRPC_TLS_CERT_FILE: file }).GRPC_TLS_CERT, pem);
    const named = join(folder, 'other.env');
    writeFileSync(named, `LDAP_TLS_CA='${pem}'\n`);
    assert.equal(operatorEnvironment({ fallback: '', file: named }, {}).LDAP_TLS_CA, pem);
  });
});

describe('certificates and keys of engines', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vyry-certificates-'));
  after(() => rmSync(folder, { recursive: true }));
  const pem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----';

  it('are read again from their files, and print as [secret]', () => {
    const file = join(folder, 'ca.pem');
    writeFileSync(file, `${pem}\n`);
    const env = operatorEnvironment({ fallback: '' }, { LDAP_TLS_CA_FILE: file, TEMPORAL_CA: pem });
    assert.equal(env.LDAP_TLS_CA, `file:${file}`);
    const config = readVariables(['LDAP_TLS_CA', 'TEMPORAL_CA'], env);
    assert.equal(config.TEMPORAL_CA?.reveal(), pem);
    assert.equal(config.LDAP_TLS_CA?.reveal(), pem);
    writeFileSync(file, `${pem}\n${pem}\n`);
    assert.equal(config.LDAP_TLS_CA?.reveal(), `${pem}\n${pem}`);
    assert.equal(inspect(config).includes('BEGIN'), false);
  });

  it('are refused if they are no PEM, cannot be read or lack their other half, without their text', () => {
    const env = {
      ...completeEnvironment(),
      REDIS_CA: 'a-secret',
      DATABASE_CERT: 'file:/nowhere/cert',
      TEMPORAL_CERT: pem,
    };
    const message = messageOf(() => readConfig('api', env));
    assert.match(message, /REDIS_CA must be PEM/);
    assert.match(message, /DATABASE_CERT names a file that cannot be read: ENOENT/);
    assert.match(message, /TEMPORAL_CERT and TEMPORAL_KEY need each other/);
    assert.equal(/a-secret|nowhere/.test(message), false);
  });

  it('Redis: settings that do not go together are refused', () => {
    const nodes = { REDIS_CLUSTER_NODES: 'one.internal:6379, [::1]:7000' };
    const problemsOf = (env: Record<string, string>) =>
      messageOf(() => readConfig('api', { ...completeEnvironment(), ...nodes, ...env }));
    assert.match(problemsOf({ REDIS_SENTINELS: 'one.internal:26379' }), /exclude each other/);
    assert.match(problemsOf({ REDIS_URL: 'redis://one.internal/1' }), /names a database/);
    assert.match(problemsOf({ REDIS_CA: pem }), /REDIS_URL must begin with rediss:/);
    assert.match(problemsOf({ MESSAGE_DURABILITY: 'replica' }), /MESSAGE_DURABILITY=replica needs one primary/);
    assert.match(problemsOf({ REDIS_CLUSTER_NODES: 'redis://one.internal' }), /REDIS_CLUSTER_NODES must be host:port/);
    assert.deepEqual(readConfig('api', { ...completeEnvironment(), ...nodes }).REDIS_CLUSTER_NODES, [
      { host: 'one.internal', port: 6379 },
      { host: '::1', port: 7000 },
    ]);
  });
});

describe('variables', () => {
  it('have valid defaults and examples', () => {
    const shown: { default?: string; example?: string; schema: { safeParse(value: string): { success: boolean } } }[] =
      Object.values(variables);
    for (const variable of shown) {
      const values = [variable.default, variable.example].filter((value) => value !== undefined);
      for (const value of values) assert.equal(variable.schema.safeParse(value).success, true, value);
    }
    assert.ok(shown.length > 50);
  });

  it('give each secret only to the roles that need it', () => {
    const holders = (name: keyof typeof variables) => roles.filter((role) => variablesOfRole(role).has(name));
    assert.deepEqual(holders('JWT_SECRET'), ['api', 'gateway']);
    assert.deepEqual(holders('CAPTCHA_SECRET'), ['api']);
    assert.deepEqual(holders('CODEC_PASSWORD'), ['api']);
    for (const root of ['PAYLOAD_KEY', 'DATA_KEY', 'AUDIT_KEY', 'REDIS_ACL_KEY'] as const)
      assert.deepEqual(holders(root), []);
    assert.deepEqual(holders('DATABASE_URL'), ['api', 'gateway', 'registration']);
    assert.deepEqual(holders('LDAP_BIND_PASSWORD'), ['directory']);
    assert.deepEqual(holders('TWILIO_AUTH_TOKEN'), ['delivery']);
    assert.deepEqual(holders('SMTP_URL'), ['delivery']);
    assert.deepEqual(holders('SIGNAL_SERVER_URL'), ['signal']);
  });
});

describe('Secret', () => {
  const secret = new Secret('canary-value');

  it('prints as [secret] wherever it is logged, inspected or serialized', () => {
    const config = readConfig('api', completeEnvironment());
    const env = { ...completeEnvironment(), SMTP_URL: 'smtp://user:canary-value@mail.internal' };
    for (const text of [
      `${secret}`,
      String(secret),
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ deep: [{ secret }] }, { depth: 9, showHidden: true }),
      inspect(readConfig('delivery', env), { depth: 9, showHidden: true }),
      JSON.stringify(Object.entries(secret)),
    ]) {
      assert.equal(text.includes('canary'), false, text);
    }
    assert.match(inspect(config), /JWT_SECRET: \[secret\]/);
  });

  it('returns its value from reveal()', () => {
    assert.equal(secret.reveal(), 'canary-value');
  });
});

function variablesOfRole(role: Role): Map<string, { about: string }> {
  return new Map(variablesOf(role));
}
