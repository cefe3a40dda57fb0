/** The state of a link for its new device, and the requests that the devices of a user may approve. */
import { networkOf } from '../../adapters/ip-addresses.ts';
import { keys } from '../../adapters/redis/keys.ts';
import type { linkOperations } from '../../contract/device-links.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { Failure } from '../../domain/failures.ts';
import { approvableAt, type DeviceLink, isOpen } from '../../domain/link.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';
import { type LinkReadDeps, readFor, untilLink } from './status.ts';

type Ops = typeof linkOperations;
type WaitDeps = LinkReadDeps & Pick<ApiDeps, 'listener'>;

/**
 * Returns the state of a link to its new device. With `waitSeconds` it waits while another device has to act: for the
 * claim, and after the reveal for the approval.
 */
export async function readLink(
  deps: WaitDeps,
  { holder, query: { waitSeconds } }: HandlerInput<Ops['readLink']>,
): Promise<AnswerOf<Ops['readLink']>> {
  const isEnough = ({ state }: DeviceLink) => state !== holder.state || !['pending', 'revealed'].includes(state);
  const link = await untilLink(deps, holder, { waitSeconds, isEnough });
  const { state, encapsulation, claimNonce, sealedProvision, denial, expiresAt } = link;
  const isGiven = state === 'approved' || state === 'completed';
  return {
    status: 200,
    body: {
      state,
      ...(encapsulation !== undefined && { encapsulation }),
      ...(claimNonce !== undefined && { nonce: claimNonce }),
      ...(isGiven && sealedProvision !== undefined && { sealedProvision }),
      ...(state === 'denied' && denial !== undefined && { reason: denial }),
      expiresAt: instant(expiresAt),
    },
  };
}

/** Lists the open requests of a user; with `waitSeconds`, as soon as there is one. */
export async function listLinkRequests(
  deps: WaitDeps,
  { holder: { userId }, query: { waitSeconds = 0 } }: HandlerInput<Ops['listLinkRequests']>,
): Promise<AnswerOf<Ops['listLinkRequests']>> {
  const open = await untilRequests(deps, userId, waitSeconds * 1000);
  const items = open.map(({ linkId, kind, deviceName, client, createdAt, expiresAt }) => {
    return { linkId, kind, deviceName, client, createdAt: instant(createdAt), expiresAt: instant(expiresAt) };
  });
  return { status: 200, body: { items } };
}

async function untilRequests(deps: WaitDeps, userId: string, waitMs: number): Promise<DeviceLink[]> {
  const read = async () => (await deps.links.listOf(userId, Date.now())).filter(isOpen);
  const open = await read();
  if (open.length > 0 || waitMs === 0) return open;
  await using listening = await deps.listener.listen(keys.links({ userId }), waitMs);
  // read after listening has begun, so that no request is missed
  for (let isOver = false; ; isOver = !(await listening.changed())) {
    const current = await read();
    if (isOver || current.length > 0) return current;
  }
}

/**
 * Returns what a new device asks for, complete, to show it to the person who approves, beside the same of the calling
 * device. With `waitSeconds` it waits for the nonce of the new device.
 *
 * @throws {Failure} not-found, link-expired
 */
export async function readLinkRequest(
  deps: WaitDeps & Pick<ApiDeps, 'places'>,
  { holder, params: { linkId }, query: { waitSeconds }, caller }: HandlerInput<Ops['readLinkRequest']>,
): Promise<AnswerOf<Ops['readLinkRequest']>> {
  const isEnough = ({ state }: DeviceLink) => state !== 'claimed';
  const link = await untilLink(deps, await readFor(deps, linkId, holder), { waitSeconds, isEnough });
  if (link.state === 'expired') throw new Failure('link-expired');
  const { kind, state, deviceName, client, userAgent, ip, publicKey, nonceHash, nonce, createdAt, expiresAt } = link;
  const isSameNetwork = networkOf(ip) === networkOf(caller.address);
  const whereIs = (address: string) => ({
    ip: address,
    place: deps.places.placeOf(address),
    network: networkOf(address),
  });
  return {
    status: 200,
    body: {
      ...{ kind, state, deviceName, client, userAgent, publicKey, nonceHash },
      ...whereIs(ip),
      own: whereIs(caller.address),
      sameNetwork: isSameNetwork,
      createdAt: instant(createdAt),
      expiresAt: instant(expiresAt),
      approvableAt: instant(approvableAt(link, isSameNetwork)),
      ...(nonce !== undefined && { nonce }),
    },
  };
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}
