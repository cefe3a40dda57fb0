/** Links whose calls are interrupted by kills, and repeated as an app repeats them. */
import assert from 'node:assert/strict';
import type { System } from '../../engines/system.ts';
import type { Role } from '../../platform/config/roles.ts';
import { makeDevice } from './device-keys.ts';
import { createLinkSteps, type NewDeviceLink, type Owner, random } from './links.ts';
import { must } from './registrations.ts';
import type { RestClient } from './rest-client.ts';
import { eventually, until } from './until.ts';

/** The calls of a link that change something, in order. */
export const linkActs = ['claim', 'reveal', 'approve', 'complete'] as const;
/** A call of a link. */
export type LinkAct = (typeof linkActs)[number];

/** A link with fixed bodies, so that each call can be repeated as it is. */
export interface LinkJourney {
  link: NewDeviceLink;
  owner: Owner;
  act(name: LinkAct): Promise<{ status: number }>;
}

/** Starts a link whose calls have the same bodies at each repeat. */
export async function startLinkJourney(api: RestClient, owner: Owner): Promise<LinkJourney> {
  const { start, reveal, complete } = createLinkSteps(api);
  const link = await start();
  const { linkId } = link;
  const { token } = owner;
  const claim = { encapsulation: random(1120), nonce: random(32) };
  const approval = { sealedProvision: random(200) };
  const device = makeDevice(owner.identity, { oneTimeKeys: 5 });
  const acts = {
    claim: () => api.claimLink({ linkId, token, body: claim }),
    reveal: () => reveal(link),
    approve: () => api.approveLink({ linkId, token, body: approval }),
    complete: () => complete(link, device),
  };
  return { link, owner, act: (name) => acts[name]() };
}

/** Makes a call until it is answered: a lost connection, an outage and a call in progress are repeated. */
export async function actUntilAnswered({ act }: Pick<LinkJourney, 'act'>, name: LinkAct): Promise<number> {
  return eventually(async () => {
    const { status } = await act(name);
    const isBusy = status === 409 && name === 'complete';
    return status < 500 && !isBusy ? status : undefined;
  });
}

/** Kills a role while a call is in progress, starts it again, and repeats the call until it is answered. */
export async function killDuring(system: System, role: Role, journey: LinkJourney, name: LinkAct): Promise<void> {
  const calling = journey.act(name).catch(() => undefined);
  await new Promise((resolve) => setImmediate(resolve));
  await system.kill(role);
  await calling;
  await system.restart(role);
  const status = await actUntilAnswered(journey, name);
  assert.ok([201, 204].includes(status), `${name} after a kill of ${role}: ${status}`);
}

/** Asserts that a link has added one device, and that its session works. */
export async function assertLinkedOnce(api: RestClient, { owner, act }: LinkJourney): Promise<void> {
  const { body } = await must(api.listDevices({ token: owner.token }));
  assert.equal(body.items.length, 2);
  const { accessToken } = ((await act('complete')) as Awaited<ReturnType<RestClient['completeLink']>>).body;
  const session = await must(api.readSession({ token: accessToken }));
  assert.equal(session.body.deviceId, '2');
  await until(async () => (await api.listDevices({ token: accessToken })).body.items.length === 2);
}
