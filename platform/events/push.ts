import type { PushProvider, PushResult, WakeUpReason } from '../../domain/push.ts';
import type { Outputs } from './outputs.ts';

/** The device that an event is about. */
interface PushDevice {
  userId: string;
  deviceId: string;
}

/** The fields of a wake-up that events record. Token, endpoint and the text of the provider are not among them. */
interface SentWakeUp extends PushDevice {
  wakeUpId: string;
  why: WakeUpReason;
}

/** Creates the events of push registrations. */
export function createPushEvents({ report }: Outputs) {
  return {
    /** An app set or removed the push registration of its device. */
    pushChanged({ userId, deviceId, provider }: PushDevice & { provider: PushProvider | null }): void {
      report({
        log: { event: 'push.changed', userId, deviceId, provider },
        audit: {
          action: 'push-change',
          message: provider === null ? 'A device removed its push registration' : 'A device set its push registration',
          userId,
          ...(provider !== null && { details: { messaging: { provider } } }),
          metadata: { device: deviceId, provider: provider ?? 'none' },
        },
      });
    },
    /** A push provider reported that a registration does not exist any more. */
    pushRemoved({
      userId,
      deviceId,
      provider,
      wakeUpId,
    }: PushDevice & { provider: PushProvider; wakeUpId: string }): void {
      report({
        level: 'warn',
        log: { event: 'push.removed', userId, deviceId, provider },
        audit: {
          action: 'push-change',
          message: `${provider} reported a dead push registration, which was removed`,
          reason: 'token-dead',
          once: `${wakeUpId} removed`,
          targetUserId: userId,
          details: { messaging: { provider } },
          metadata: { device: deviceId, provider },
        },
      });
    },
  };
}

/** Creates the events of wake-ups. */
export function createWakeUpEvents({ counter, log, report }: Outputs) {
  const wakeUps = counter('wake_ups_total', 'Wake-ups by push provider and outcome', ['provider', 'outcome']);

  return {
    /** A push provider answered a wake-up. Only a refusal of the request is audited: a device may get many wake-ups. */
    wakeUpAnswered(
      { wakeUpId, userId, deviceId, why }: SentWakeUp,
      { provider, result, status }: Omit<PushResult, 'message'>,
      refusal?: string,
    ): void {
      if (result !== 'refused') {
        wakeUps.inc({ provider, outcome: result });
        log.info({ event: `wake-up.${result}`, wakeUpId, userId, deviceId, provider, why, status });
        return;
      }
      report({
        counter: wakeUps,
        labels: { provider, outcome: result },
        level: 'warn',
        log: { event: 'wake-up.refused', wakeUpId, userId, deviceId, provider, why, status, reason: refusal },
        audit: {
          action: 'wake-up-send',
          status: 'failure',
          message: `${provider} refused a wake-up`,
          reason: refusal,
          once: `${wakeUpId} refused`,
          targetUserId: userId,
          details: { messaging: { provider } },
          metadata: { device: deviceId, why, ...(status !== null && { http_status: status }) },
        },
      });
    },
    /** The workflow of a wake-up could not be started, because Temporal was unavailable. */
    wakeUpLost({ wakeUpId, userId, deviceId, why }: SentWakeUp): void {
      report({
        counter: wakeUps,
        labels: { provider: 'none', outcome: 'lost' },
        level: 'error',
        log: { event: 'wake-up.lost', wakeUpId, userId, deviceId, why },
        audit: {
          action: 'wake-up-send',
          status: 'failure',
          message: 'A wake-up was not started, because Temporal is unavailable',
          reason: 'unavailable',
          once: `${wakeUpId} lost`,
          targetUserId: userId,
          metadata: { device: deviceId, why },
        },
      });
    },
  };
}
