/**
 * Status callbacks of messages and voice calls.
 * https://www.twilio.com/docs/messaging/guides/track-outbound-message-status,
 * https://www.twilio.com/docs/voice/api/call-resource#statuscallback
 */
import type { DeliveryReport, DeliveryReportOutcome } from '../../domain/providers.ts';

/** The outcomes of the final states of messages and calls. Other states are not final. */
const outcomes: ReadonlyMap<string, DeliveryReportOutcome> = new Map([
  ['delivered', 'delivered'],
  ['read', 'delivered'],
  ['undelivered', 'undelivered'],
  ['failed', 'failed'],
  ['completed', 'delivered'],
  ['busy', 'unanswered'],
  ['no-answer', 'unanswered'],
  ['canceled', 'unanswered'],
]);

/** Reads the final outcome of a message or call from a status callback; undefined if its state is not final. */
export function readTwilioReport(form: Record<string, string>): DeliveryReport | undefined {
  const { MessageStatus: message, CallStatus: call, ErrorCode: errorCode } = form;
  const outcome = outcomes.get(message ?? call ?? '');
  if (outcome === undefined) return undefined;
  return { outcome, ...(errorCode !== undefined && /^\d{1,6}$/.test(errorCode) && { errorCode }) };
}
