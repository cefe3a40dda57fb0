// @rerun never
/** The case B6 of the key directory with as many rounds as it names; test/api has fewer. */
import { describe, it } from 'node:test';
import { makeDevice, makeIdentity } from '../support/device-keys.ts';
import { raceForLastKeys } from '../support/last-keys.ts';
import { must, startAnotherApi } from '../support/registrations.ts';
import { createRestClient } from '../support/rest-client.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind, api, person } = await withSystem();
const otherApi = createRestClient((await startAnotherApi(system, {})).apiUrl);

describe('GET /api/v1/users/{id}/keys', () => {
  it('B6: of two parallel fetches of the last keys, on two api nodes, exactly one gets them, 1,000 times', async () => {
    const [owner, caller] = [await person(0), await person(1)];
    const body = makeDevice(makeIdentity(), { oneTimeKeys: 2 });
    await must(api.addDevice({ token: owner.token, body }), 201);
    const { userId } = owner;
    await raceForLastKeys(1000, {
      database: behind.database,
      userId,
      total: 2,
      lastResortId: body.pqLastResortPreKey.keyId,
      fetchTwice: () =>
        Promise.all([api, otherApi].map((client) => must(client.takeKeys({ userId, token: caller.token })))),
    });
  });
});
