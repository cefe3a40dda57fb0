import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import type { Processes } from '../../engines/processes.ts';
import type { System } from '../../engines/system.ts';
import { call } from '../support/client.ts';
import { holdToContract } from '../support/contract.ts';
import { registeredPerson } from '../support/people.ts';
import { goodPassword, must, startAnotherApi } from '../support/registrations.ts';
import { startTestSystem } from '../support/system.ts';
import { jsonOf, runVyryProcess } from '../support/vyry.ts';

const path = '/.well-known/jwks.json';

let system: System;
let other: Processes;

before(async () => {
  system = await startTestSystem({ env: { CAPTCHA_COST: '2' } });
  const { key } = jsonOf(await runVyryProcess(['keys', 'new', '--json']));
  other = await startAnotherApi(system, { JWT_ALGORITHM: 'EdDSA', JWT_KEYS: key });
  await holdToContract(other.apiUrl);
  await holdToContract(system.ready.apiUrl);
});
after(async () => {
  await system?.stop();
});

describe('GET /.well-known/jwks.json', () => {
  it('is empty under HS256, and may be cached for five minutes', async () => {
    const { body, headers } = await must(call(system.ready.apiUrl, 'GET', path));
    assert.deepEqual(body, { keys: [] });
    assert.equal(headers.get('cache-control'), 'public, max-age=300');
  });

  it('lets clients verify the EdDSA tokens of an api, which the api itself accepts', async () => {
    await registeredPerson(system, 60);
    const login = { identifier: 'person060', password: goodPassword };
    const { body } = await must(call(other.apiUrl, 'POST', '/api/v1/auth/login', { body: login }));
    const keys = createRemoteJWKSet(new URL(`${other.apiUrl}${path}`));
    const { payload, protectedHeader } = await jwtVerify(body.accessToken, keys, { issuer: 'vyry', audience: 'vyry' });
    assert.equal(payload.sub, body.user.userId);
    assert.equal(protectedHeader.alg, 'EdDSA');
    await must(call(other.apiUrl, 'GET', '/api/v1/users/me', { token: body.accessToken }));
    const refused = await call(system.ready.apiUrl, 'GET', '/api/v1/users/me', { token: body.accessToken });
    assert.deepEqual([refused.status, refused.body.error_code], [401, 'INVALID_TOKEN']);
  });

  it('contains no private key', async () => {
    const { body } = await must(call(other.apiUrl, 'GET', path));
    assert.equal(body.keys.length, 1);
    assert.equal('d' in body.keys[0], false);
  });
});
