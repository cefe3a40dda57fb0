/** Activities of links: their end, and the devices that were added by them. */
import type { Devices } from '../adapters/mongo/devices.ts';
import type { Links } from '../adapters/redis/links.ts';
import type { StoredDevice } from '../domain/device.ts';
import type { Events } from '../platform/events/events.ts';

/** Dependencies of the link activities. */
export interface LinkActivityDeps {
  links: Pick<Links, 'read' | 'expire'>;
  devices: Pick<Devices, 'read'>;
  events: Pick<Events, 'linkExpired'>;
}

interface LinkOf {
  linkId: string;
  userId: string;
}

/** How a link ended. `mayHaveDevice`: a device may have been added by it. */
export interface EndedLink {
  state: 'completed' | 'approved' | 'denied' | 'expired';
  mayHaveDevice: boolean;
}

/** The link activities of the registration role. */
export type LinkActivities = ReturnType<typeof createLinkActivities>;

/** Creates the link activities of the registration role. Temporal retries outages. */
export function createLinkActivities({ links, devices, events }: LinkActivityDeps) {
  return {
    /**
     * Ends a link whose time is over, so that no device is added by it any more, and returns how it ended. A link that Redis
     * has lost counts as one that expired while a device was being added. Idempotent: an end is final.
     */
    async endLink({ linkId, userId }: LinkOf): Promise<EndedLink> {
      const running = await links.read(linkId, 0);
      if (running !== undefined && (await links.expire(running)))
        events.linkExpired({ linkId, userId, kind: running.kind });
      const { state = 'expired', taker } = (await links.read(linkId, 0)) ?? {};
      const mayHaveDevice = running === undefined || taker !== undefined;
      // whatever is not final has expired
      const end = state === 'completed' || state === 'approved' || state === 'denied' ? state : 'expired';
      return { state: end, mayHaveDevice };
    },

    /** Returns the identity key of an account, base64; null without devices. Read-only. */
    async readIdentityKey({ userId }: Pick<LinkOf, 'userId'>): Promise<string | null> {
      return (await devices.read(userId))?.identityKey ?? null;
    },

    /** Returns the device that was added by a link; null if there is none or it was removed. Read-only. */
    async findLinkedDevice({ linkId, userId }: LinkOf): Promise<Pick<StoredDevice, 'deviceId' | 'createdAt'> | null> {
      const set = await devices.read(userId);
      const device = set?.devices.find(({ addedBy }) => addedBy === linkId);
      return device === undefined ? null : { deviceId: device.deviceId, createdAt: device.createdAt };
    },
  };
}
