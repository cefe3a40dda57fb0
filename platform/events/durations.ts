import type { DeliveryChannel } from '../../domain/providers.ts';
import type { Outputs } from './outputs.ts';

/** Creates the durations by outcome. These are metrics only; other events log and audit the outcomes. */
export function createDurationEvents({ histogram }: Outputs) {
  const activities = histogram('activity_duration_seconds', 'Duration of activities by outcome', [
    'activity',
    'outcome',
  ]);
  const sends = histogram(
    'code_send_duration_seconds',
    'Duration of sending a code, notification or wake-up to its provider',
    ['channel', 'provider', 'outcome'],
  );
  const codec = histogram('codec_request_duration_seconds', 'Duration of requests to the codec endpoint', [
    'path',
    'status',
  ]);

  return {
    /** `outcome` is `done`, the code of a failure, or `error`. */
    activityEnded({ activity, outcome, seconds }: { activity: string; outcome: string; seconds: number }): void {
      activities.observe({ activity, outcome }, seconds);
    },
    /** Also counts an unavailable provider, which `codeSent` and `codeRefused` do not count. */
    providerAnswered(send: { channel: DeliveryChannel; provider: string; outcome: string; seconds: number }): void {
      const { seconds, ...labels } = send;
      sends.observe(labels, seconds);
    },
    codecAnswered({ path, status, seconds }: { path: string; status: number; seconds: number }): void {
      codec.observe({ path, status }, seconds);
    },
  };
}
