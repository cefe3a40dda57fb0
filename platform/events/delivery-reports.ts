import type { DeliveryReport, DeliveryReportOrigin } from '../../domain/providers.ts';
import { subjectId } from './codes.ts';
import type { Outputs } from './outputs.ts';

/** Creates the events of delivery reports, in which providers report the outcome of a message later. */
export function createDeliveryReportEvents({ counter, log, report }: Outputs) {
  const reports = counter('delivery_reports_total', 'Delivery reports by outcome', [
    'channel',
    'provider',
    'country',
    'outcome',
  ]);

  return {
    /** One audit event per message and provider; repeats are recorded once. */
    deliveryReportTaken(of: DeliveryReportOrigin, { outcome, errorCode }: DeliveryReport, isRepeat: boolean): void {
      const { subject, purpose, channel, send, provider, country } = of;
      report({
        counter: reports,
        labels: { channel, provider, country: country ?? 'none', outcome: isRepeat ? 'repeated' : outcome },
        log: {
          event: 'delivery-report.taken',
          ...subjectId(of),
          channel,
          send,
          provider,
          outcome,
          errorCode,
          isRepeat,
        },
        audit: {
          action: 'delivery-report',
          status: outcome === 'delivered' ? 'success' : 'failure',
          message: `${provider} reported the outcome of a message: ${outcome}`,
          reason: outcome === 'delivered' ? undefined : outcome,
          once: `${subject} ${send} ${provider}`,
          errorCode,
          details: {
            registration: { id: subject },
            otp: { channel, purpose, send },
            messaging: { provider, ...(country && { country }) },
          },
        },
      });
    },
    /**
     * `unknown`: the message is not stored. `refused`: the sender is not authenticated; the response shows only this.
     */
    deliveryReportIgnored(provider: string, outcome: 'unknown' | 'refused'): void {
      reports.inc({ channel: 'none', provider, country: 'none', outcome });
      log.warn({ event: 'delivery-report.ignored', provider, outcome });
    },
  };
}
