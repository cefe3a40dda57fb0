/**
 * Tells connected devices what has changed in their account, and contacts that an identity key has changed. Nothing is
 * stored and no operation fails because of it: devices that were not told read the change when they connect.
 */
import type { DeviceAnnouncement } from '../domain/announcement.ts';
import type { IdentityChangeReason } from '../domain/device.ts';
import type { DeviceLink } from '../domain/link.ts';
import type { Events } from './events/events.ts';

/** The functions that announcements use. */
export interface AnnouncementDeps {
  /** Tells the connected devices of a user, and returns how many there are. */
  inboxes: { announce(userId: string, announcement: DeviceAnnouncement): Promise<number> };
  /** Returns the ids of those who have accepted a user. */
  conversations: { contactsOf(userId: string): Promise<string[]> };
  events: Pick<Events, 'identityAnnounced' | 'dependencyFailed'>;
}

/** The announcements. Their promises never reject. */
export type Announcements = ReturnType<typeof createAnnouncements>;

/** Contacts that are told at once. */
const contactsAtOnce = 100;

/** Creates the announcements. */
export function createAnnouncements({ inboxes, conversations, events }: AnnouncementDeps) {
  const safely = (act: () => Promise<unknown>): Promise<void> => act().then(() => undefined, events.dependencyFailed);
  const tell = (userId: string, announcement: DeviceAnnouncement): Promise<void> =>
    safely(() => inboxes.announce(userId, announcement));
  return {
    /** A new device or a registration asks the devices of a user. */
    linkRequested: (userId: string, link: Omit<DeviceLink, 'state'>): Promise<void> => {
      const { linkId, kind, deviceName, client } = link;
      const [createdAt, expiresAt] = [isoTime(link.createdAt), isoTime(link.expiresAt)];
      return tell(userId, {
        event: 'device-link:requested',
        payload: { linkId, kind, deviceName, client, createdAt, expiresAt },
      });
    },

    /** A link that is meant for a user has another state. */
    linkChanged: (userId: string, { linkId, state }: Pick<DeviceLink, 'linkId' | 'state'>): Promise<void> =>
      tell(userId, { event: 'device-link:changed', payload: { linkId, state } }),

    /** A device of a user was added, renamed or removed. */
    devicesChanged: (userId: string, deviceId: string, change: 'added' | 'renamed' | 'removed'): Promise<void> =>
      tell(userId, { event: 'devices:changed', payload: { change, deviceId } }),

    /** A device has few one-time keys left. */
    keysLow: (device: { userId: string; deviceId: string }, left: { count: number; pqCount: number }): Promise<void> =>
      tell(device.userId, { event: 'keys:low', payload: left, deviceId: device.deviceId }),

    /**
     * The identity key of a user has changed: tells each contact, once.
     *
     * @param change.at milliseconds since the Unix epoch
     */
    identityChanged: (userId: string, { reason, at }: { reason: IdentityChangeReason; at: number }): Promise<void> =>
      safely(async () => {
        const contacts = await conversations.contactsOf(userId);
        const announcement = { event: 'identity:changed', payload: { userId, reason, at: isoTime(at) } } as const;
        let reached = 0;
        for (let index = 0; index < contacts.length; index += contactsAtOnce) {
          const page = contacts.slice(index, index + contactsAtOnce);
          const counts = await Promise.all(page.map((contact) => inboxes.announce(contact, announcement)));
          reached += counts.reduce((sum, count) => sum + count, 0);
        }
        events.identityAnnounced({ userId, why: reason, contacts: contacts.length, reached });
      }),
  };
}

function isoTime(at: number): string {
  return new Date(at).toISOString();
}
