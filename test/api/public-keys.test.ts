import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { call } from '../support/client.ts';
import { holdToContract } from '../support/contract.ts';
import { registeredPerson } from '../support/people.ts';
import { goodPassword, must, startAnotherApi } from '../support/registrations.ts';
import { jsonOf, runVyryProcess } from '../support/vyry.ts';
import { withSystem } from '../support/with-system.ts';

const path = '/.well-known/jwks.json';

const { system, api } = await withSystem();
const { key } = jsonOf(await runVyryProcess(['keys', 'new', '--json']));
const other = await startAnotherApi(system, { JWT_ALGORITHM: 'EdDSA', JWT_KEYS: key });
await holdToContract(other.apiUrl);
await holdToContract(system.ready.apiUrl);

describe('GET /.well-known/jwks.json', () => {
  it('is empty under HS256, and may be cached for five minutes', async () => {
    const { body, headers } = await must(call(system.ready.apiUrl, 'GET', path));
    assert.deepEqual(body, { keys: [] });
    assert.equal(headers.get('cache-control'), 'public, max-age=300');
  });

  it('lets clients verify the EdDSA tokens of an api, which the api itself accepts', async () => {
    await registeredPerson(system, 60);
    const login = { identifier: 'person060', password: goodPassword };
    const { body } = await must(api.beginLogInAlias({ at: other.apiUrl, body: login }));
    const keys = createRemoteJWKSet(new URL(`${other.apiUrl}${path}`));
    const { payload, protectedHeader } = await jwtVerify(body.accessToken, keys, { issuer: 'vyry', audience: 'vyry' });
    assert.equal(payload.sub, body.user.userId);
    assert.equal(protectedHeader.alg, 'EdDSA');
    await must(api.readMe({ at: other.apiUrl, token: body.accessToken }));
    const refused = await api.readMe({ token: body.accessToken });
    assert.deepEqual([refused.status, refused.body.error_code], [401, 'INVALID_TOKEN']);
  });

  it('contains no private key', async () => {
    const { body } = await must(call(other.apiUrl, 'GET', path));
    assert.equal(body.keys.length, 1);
    assert.equal('d' in body.keys[0], false);
  });
});
