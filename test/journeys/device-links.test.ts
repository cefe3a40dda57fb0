// @rerun never
/**
 * A device is linked once, whatever process is killed during a call. Kills at every call, also of Redis and Temporal, are
 * in test/nightly/device-links.test.ts. The api is a process with the permissions of its role, so that these tests also show
 * that it may read its database of places.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ageRecords } from '../support/aging.ts';
import { writePlaces } from '../support/geoip.ts';
import {
  actUntilAnswered,
  assertLinkedOnce,
  killDuring,
  type LinkAct,
  type LinkJourney,
  linkActs,
  startLinkJourney,
} from '../support/link-kills.ts';
import { createLinkSteps } from '../support/links.ts';
import { must } from '../support/registrations.ts';
import { startOwnTestSystem } from '../support/system.ts';
import { withSystem } from '../support/with-system.ts';

const places = join(mkdtempSync(join(tmpdir(), 'places-')), 'cities.mmdb');
writePlaces(places, { '127.0.9.0/24': { city: 'Paris', country: 'France' } });
after(() => rmSync(dirname(places), { recursive: true }));
const { system, behind, api, person } = await withSystem(
  { GEOIP_DATABASE: places },
  { start: startOwnTestSystem, roles: ['api', 'registration'] },
);
const { ownerOf, start } = createLinkSteps(api);

async function journeyOf(who: number): Promise<LinkJourney> {
  return startLinkJourney(api, await ownerOf(await person(who)));
}

async function walk(journey: LinkJourney, acts: readonly LinkAct[]): Promise<void> {
  for (const name of acts) assert.ok([201, 204].includes(await actUntilAnswered(journey, name)), name);
}

describe('a link', () => {
  it('shows the place that it was requested from', async () => {
    const { linkId } = await start({ from: '127.0.9.7' });
    const { token } = await ownerOf(await person(4));
    const { body } = await must(api.readLinkRequest({ linkId, token }));
    assert.deepEqual([body.place, body.own.place], ['Paris, France', null]);
  });
});

describe('C12: a link', () => {
  it('adds one device when the api is killed while it is added', async () => {
    const journey = await journeyOf(1);
    await walk(journey, ['claim', 'reveal', 'approve']);
    await killDuring(system, 'api', journey, 'complete');
    await assertLinkedOnce(api, journey);
  });

  it('adds one device when the registration worker is killed while it is approved', async () => {
    const journey = await journeyOf(2);
    await walk(journey, ['claim', 'reveal']);
    await killDuring(system, 'registration', journey, 'approve');
    await walk(journey, ['complete']);
    await assertLinkedOnce(api, journey);
  });

  it('adds no device after its time, even when the process that adds it was killed', async () => {
    const journey = await journeyOf(3);
    await walk(journey, linkActs.slice(0, 3));
    const { linkId } = journey.link;
    // as a killed process leaves it
    await behind.redis.hset(`link:{${linkId}}`, 'taker', 'another', 'takenAt', Date.now());
    await ageRecords(behind.redis, `link:{${linkId}}`, 181);
    assert.equal(await actUntilAnswered(journey, 'complete'), 410);
    const { body } = await must(api.listDevices({ token: journey.owner.token }));
    assert.equal(body.items.length, 1);
  });
});
