/** Activities that wake up devices: those of the role `delivery`, which sends, and of the role `registration`, which has the devices. */
import type { Devices } from '../adapters/mongo/devices.ts';
import type { WakeUpId, WakeUps } from '../adapters/redis/wake-ups.ts';
import { Failure } from '../domain/failures.ts';
import { isUrgent, type PushRegistration, type PushResult, tokenDead, type WakeUpReason } from '../domain/push.ts';
import type { Cipher } from '../platform/crypto.ts';
import type { Events } from '../platform/events/events.ts';
import { failOnOutage } from './accounts.ts';
import type { Deliver } from './deliver.ts';

/** A wake-up of one device. */
export interface WakeUpInput extends WakeUpId {
  reason: WakeUpReason;
}

/** A push registration, and as it is stored: encrypted. */
export interface StoredPush {
  registration: PushRegistration;
  stored: string;
}

/** The input of `sendWakeUp`. */
export interface SendWakeUpInput extends WakeUpInput, Pick<StoredPush, 'registration'> {}

/** Dependencies of the activities that send wake-ups. */
export interface PushSendingDeps {
  deliver: Deliver;
  wakeUps: Pick<WakeUps, 'isNeeded' | 'release' | 'recordResult'>;
  events: Pick<Events, 'wakeUpAnswered'>;
}

/** The activities of the role `delivery` that send wake-ups. */
export type PushSendingActivities = ReturnType<typeof createPushSending>;

/** Creates the activities of the role `delivery` that send wake-ups. */
export function createPushSending(deps: PushSendingDeps) {
  return {
    /**
     * Sends a wake-up once. Idempotent by `wakeUpId`. Returns null if the device has connected since, and the result of the
     * provider otherwise. After a final refusal the next event may wake up the device.
     *
     * @throws {Failure} unavailable, with the seconds after which the provider wants to be asked again
     */
    async sendWakeUp(input: SendWakeUpInput): Promise<PushResult | null> {
      if (!(await deps.wakeUps.isNeeded(input))) return null;
      const result = await send(deps, input);
      if (result.result !== 'accepted') await deps.wakeUps.release(input);
      return result;
    },

    /**
     * Sends a wake-up that tests a registration, once, whether the device needs one or not. Idempotent by `wakeUpId`, except
     * that an attempt without an answer, which is a result too, may have reached the device.
     */
    async sendTestPush(input: SendWakeUpInput): Promise<PushResult> {
      try {
        return await send(deps, input);
      } catch (err) {
        if (!(err instanceof Failure) || err.code !== 'unavailable') throw err;
        return unavailableResult(input, err);
      }
    },
  };
}

/** Sends a wake-up, stores the result for its user and reports it. @throws {Failure} unavailable */
async function send(deps: PushSendingDeps, input: SendWakeUpInput): Promise<PushResult> {
  const { userId, deviceId, wakeUpId, reason, registration } = input;
  const { provider } = registration;
  const told = async (result: PushResult, refusal?: string): Promise<PushResult> => {
    deps.events.wakeUpAnswered({ wakeUpId, userId, deviceId, why: reason }, result, refusal);
    await deps.wakeUps.recordResult(userId, deviceId, { provider, result: result.result, at: Date.now() });
    return result;
  };
  try {
    const { outcome } = await deps.deliver({
      id: { subject: wakeUpId, kind: 'wake-up', send: 1 },
      channel: 'push',
      provider,
      content: { registration, isUrgent: isUrgent(reason), reference: wakeUpId },
    });
    const { status = null, message = null } = outcome.answer ?? {};
    if (outcome.result === 'sent') return await told({ provider, result: 'accepted', status, message });
    const result = outcome.reason === tokenDead ? 'token-dead' : 'refused';
    return await told({ provider, result, status, message: message ?? outcome.reason }, outcome.reason);
  } catch (err) {
    if (err instanceof Failure && err.code === 'unavailable') await told(unavailableResult(input, err));
    throw err;
  }
}

function unavailableResult({ registration: { provider } }: SendWakeUpInput, { context }: Failure): PushResult {
  const { status = null, message = null } = context.answer ?? {};
  return { provider, result: 'unavailable', status, message: message ?? context.reason ?? null };
}

/** Whose devices are woken up, and the occasion, which makes the wake-ups unique. */
export interface WakeUpOccasion {
  userId: string;
  /** Only this device. */
  deviceId?: string;
  occasion: string;
}

/** Dependencies of the activities on push registrations. */
export interface PushRegistrationDeps {
  devices: Pick<Devices, 'read' | 'setPush'>;
  wakeUps: Pick<WakeUps, 'claim' | 'confirm' | 'release'>;
  /** Decrypts push registrations. */
  pushCipher: Pick<Cipher, 'decryptText'>;
  events: Pick<Events, 'pushRemoved'>;
  /** Returns whether an error is an outage of a store, as opposed to a bug. */
  isOutage: (err: unknown) => boolean;
}

/** The activities of the role `registration` on push registrations. */
export type PushRegistrationActivities = ReturnType<typeof createPushRegistrations>;

/** Creates the activities of the role `registration` on push registrations. */
export function createPushRegistrations(deps: PushRegistrationDeps) {
  const { devices, wakeUps, pushCipher, isOutage } = deps;
  return {
    /**
     * Claims the wake-ups of all devices of a user that have a push registration, or of one device, and returns those that
     * no other one precedes. Idempotent by `occasion`.
     */
    claimWakeUps: ({ userId, deviceId: only, occasion }: WakeUpOccasion): Promise<WakeUpId[]> =>
      failOnOutage(async () => {
        const set = await devices.read(userId);
        const wakeable = set?.devices.filter(({ push }) => push !== undefined) ?? [];
        const all = wakeable
          .filter(({ deviceId }) => deviceId === (only ?? deviceId))
          .map(({ deviceId }) => ({ userId, deviceId, wakeUpId: `${occasion}-${deviceId}` }));
        const claimed = await Promise.all(all.map((wakeUp) => wakeUps.claim(wakeUp)));
        return all.filter((_one, index) => claimed[index]);
      }, isOutage),

    /**
     * Returns the push registration of a device, and confirms its wake-up. Null if the device has none, or another wake-up
     * precedes this one. Idempotent by `wakeUpId`.
     */
    findPush: (input: WakeUpId): Promise<StoredPush | null> =>
      failOnOutage(async () => {
        const stored = await readPush(devices, input);
        if (stored === undefined) {
          await wakeUps.release(input);
          return null;
        }
        if (!(await wakeUps.confirm(input))) return null;
        return { stored, registration: JSON.parse(pushCipher.decryptText(stored)) as PushRegistration };
      }, isOutage),

    /**
     * Removes a dead push registration, unless the app has set another one since. Idempotent: a repeat finds none, and
     * reports the event again, which the audit log drops by its id.
     */
    removePush: (input: WakeUpInput & StoredPush): Promise<void> =>
      failOnOutage(async () => {
        const { userId, deviceId, wakeUpId, stored, registration } = input;
        const isRemoved = await devices.setPush(userId, deviceId, undefined, { was: stored });
        if (!isRemoved && (await readPush(devices, input)) !== undefined) return;
        deps.events.pushRemoved({ userId, deviceId, provider: registration.provider, wakeUpId });
      }, isOutage),
  };
}

async function readPush(devices: Pick<Devices, 'read'>, { userId, deviceId }: WakeUpId): Promise<string | undefined> {
  const set = await devices.read(userId);
  return set?.devices.find((one) => one.deviceId === deviceId)?.push;
}
