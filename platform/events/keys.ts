import type { Outputs } from './outputs.ts';

/** What a device uploaded: how many one-time keys, and how many signed ones. */
interface UploadedCounts {
  preKeys: number;
  pqPreKeys: number;
  signedKeys: number;
}

/** A fetch of the keys of a user. */
interface KeysFetch {
  /** Who fetched them. */
  userId: string;
  targetId: string;
  devices: number;
  /**
   * Whether the answer had one-time keys: `given` for at least one device, `none-left`, or `limited` because the keys of
   * the user are fetched too often.
   */
  oneTime: 'given' | 'none-left' | 'limited';
}

/** Creates the events of devices' keys. */
export function createKeyEvents({ counter, report }: Outputs) {
  const uploads = counter('key_uploads_total', 'Uploads that changed the keys of a device', []);
  const fetches = counter('key_fetches_total', 'Fetches of the keys of a user, by their one-time keys', ['one_time']);
  const lows = counter('keys_low_total', 'Devices told to upload one-time keys, by what is left', ['kind', 'left']);

  return {
    /** A device changed its keys. A repeated upload changes nothing and is no event. */
    keysUploaded(device: { userId: string; deviceId: string }, counts: UploadedCounts): void {
      const { userId, deviceId } = device;
      report({
        counter: uploads,
        log: { event: 'keys.uploaded', userId, deviceId, ...counts },
        audit: {
          action: 'keys-upload',
          message: 'A device published keys',
          userId,
          metadata: { deviceId, ...counts },
        },
      });
    },
    keysFetched({ userId, targetId, devices, oneTime }: KeysFetch): void {
      report({
        counter: fetches,
        labels: { one_time: oneTime },
        log: { event: 'keys.fetched', userId, targetId, devices, oneTime },
        audit: {
          action: 'keys-fetch',
          message: 'The keys of a user were fetched',
          reason: oneTime === 'given' ? undefined : oneTime,
          userId,
          targetUserId: targetId,
          metadata: { devices, oneTime },
        },
      });
    },
    /** A hand-out left few one-time keys of a kind for the first time, or took the last one. */
    keysLow({ userId, deviceId, kind, left }: KeysLow): void {
      report({
        counter: lows,
        labels: { kind, left: left === 0 ? 'none' : 'few' },
        level: left === 0 ? 'warn' : 'info',
        log: { event: 'keys.low', userId, deviceId, kind, left },
        audit: {
          action: 'keys-low',
          message: left === 0 ? 'A device has no one-time keys left' : 'A device has few one-time keys left',
          reason: left === 0 ? 'none-left' : 'few-left',
          targetUserId: userId,
          metadata: { deviceId, kind, left },
        },
      });
    },
  };
}

/** A device that should upload one-time keys. */
interface KeysLow {
  userId: string;
  deviceId: string;
  kind: 'preKeys' | 'pqPreKeys';
  left: number;
}
