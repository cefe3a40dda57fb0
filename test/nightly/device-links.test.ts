/** C12: whatever process is killed during whatever call, a device is linked once. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  actUntilAnswered,
  assertLinkedOnce,
  type LinkAct,
  type LinkJourney,
  linkActs,
  startLinkJourney,
} from '../support/link-kills.ts';
import { createLinkSteps } from '../support/links.ts';
import { processOf } from '../support/outages.ts';
import { startWholeTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

type Victim = 'api' | 'registration' | 'temporal' | 'redis';

const { system, behind, api, person } = await withSystem({}, { start: startWholeTestSystem });
const { ownerOf } = createLinkSteps(api);
let people = 0;

/** How long calls run before the kill, in milliseconds. */
const leads = [0, 5, 20, 60];

describe('C12: a link, when a process is killed during each of its calls', () => {
  it('adds one device when the api is killed', () => survive('api'));

  it('adds one device when the registration worker is killed', () => survive('registration'));

  it('adds one device when the Temporal server is killed', () => survive('temporal'));

  it('adds one device when Redis is killed', () => survive('redis'));

  it('leaves a workflow for each device that was linked, and no other', async () => {
    const running = 'WorkflowType = "deviceLink" AND ExecutionStatus = "Running"';
    await until(async () => (await behind.temporal.workflow.count(running)).count === people);
  });

  /** Kills a victim while links are at each of their calls, begun at several moments before. */
  async function survive(victim: Victim): Promise<void> {
    const journeys = await Promise.all(
      linkActs.flatMap((name) => leads.map(async (leadMs) => ({ name, leadMs, journey: await before(name) }))),
    );
    const calls: Promise<unknown>[] = [];
    for (const leadMs of leads.toReversed()) {
      const due = journeys.filter((one) => one.leadMs === leadMs);
      calls.push(...due.map(({ journey, name }) => journey.act(name).catch(() => undefined)));
      await sleep(Math.max(1, leadMs / 2));
    }
    await kill(victim);
    await Promise.all(calls);
    await startAgain(victim);
    for (const { journey, name } of journeys) {
      for (const act of linkActs.slice(linkActs.indexOf(name))) {
        assert.ok([201, 204].includes(await actUntilAnswered(journey, act)), `${act} after a kill of ${victim}`);
      }
      await assertLinkedOnce(api, journey);
    }
  }

  /** A link before one of its calls. */
  async function before(name: LinkAct): Promise<LinkJourney> {
    const journey = await startLinkJourney(api, await ownerOf(await person(people++)));
    for (const act of linkActs.slice(0, linkActs.indexOf(name))) await actUntilAnswered(journey, act);
    return journey;
  }

  async function kill(victim: Victim): Promise<void> {
    if (victim === 'temporal') await system.killTemporal();
    else if (victim === 'redis') await processOf(system.engines?.redis).kill();
    else await system.kill(victim);
  }

  async function startAgain(victim: Victim): Promise<void> {
    if (victim === 'temporal') await system.restartTemporal();
    else if (victim === 'redis') await processOf(system.engines?.redis).start();
    else await system.restart(victim);
  }
});
