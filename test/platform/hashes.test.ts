// @rerun never
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { compareConfigurations, hashConfiguration } from '../../platform/config/hashes.ts';
import { Secret } from '../../platform/config/secret.ts';
import { deriveKeys, parseKeyRing } from '../../platform/keyring.ts';

const root = () => ({ current: new Secret(randomBytes(32).toString('base64')) });
const ring = () => parseKeyRing(deriveKeys('api', { PAYLOAD_KEY: root(), DATA_KEY: root(), AUDIT_KEY: root() }));
const keys = ring();
const hash = (env: NodeJS.ProcessEnv) => hashConfiguration('api', keys, env);

describe('the hashes of a configuration', () => {
  it('tell which variables changed, appeared and went, by name and without a value', () => {
    const before = hash({ OTP_TTL: '300', JWT_SECRET: 'hunter2-hunter2', LOG_LEVEL: 'info', UNKNOWN: 'x' });
    const after = hash({ OTP_TTL: '600', JWT_SECRET: 'hunter2-hunter2', CORS_ORIGINS: 'https://a.example' });
    assert.deepEqual(compareConfigurations(after, before).changed, ['CORS_ORIGINS', 'LOG_LEVEL', 'OTP_TTL']);
    assert.doesNotMatch(JSON.stringify([before, after]), /hunter2|300|example/);
    assert.deepEqual(compareConfigurations(after, after).changed, []);
    assert.equal(compareConfigurations(after).changed, undefined);
    assert.notEqual(compareConfigurations(after).fingerprint, compareConfigurations(before).fingerprint);
  });

  it('cannot be compared under another key, which is itself the change', () => {
    const other = hashConfiguration('api', ring(), { OTP_TTL: '300' });
    assert.deepEqual(compareConfigurations(other, hash({ OTP_TTL: '300' })).changed, ['KEYS']);
  });
});
