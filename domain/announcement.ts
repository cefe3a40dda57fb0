/**
 * Announcements: what the server tells the connected devices of a user without being asked. They are not stored, so a
 * device that is not connected learns of it by the operation that lists it.
 */
import type { IdentityChangeReason } from './device.ts';
import type { DeviceLink } from './link.ts';

/** What each announcement has, by its event; times are ISO 8601. */
interface AnnouncementPayloads {
  'device-link:requested': Pick<DeviceLink, 'linkId' | 'kind' | 'deviceName' | 'client'> & {
    createdAt: string;
    expiresAt: string;
  };
  'device-link:changed': Pick<DeviceLink, 'linkId' | 'state'>;
  'devices:changed': { change: 'added' | 'renamed' | 'removed'; deviceId: string };
  'identity:changed': { userId: string; reason: IdentityChangeReason; at: string };
  'keys:low': { count: number; pqCount: number };
}

/** An announcement to the devices of a user: all of them, or one. */
export type DeviceAnnouncement = {
  [E in keyof AnnouncementPayloads]: { event: E; payload: AnnouncementPayloads[E]; deviceId?: string };
}[keyof AnnouncementPayloads];
