/**
 * Status callbacks of messages and calls. https://www.twilio.com/docs/messaging/guides/track-outbound-message-status,
 * https://www.twilio.com/docs/voice/api/call-resource#statuscallback
 */
import type { DeliveryReport, DeliveryReportOutcome } from '../../domain/providers.ts';

/** Final states by name, of messages and of calls; others are on the way to one. */
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

/** What a form of Twilio says became of a message or call; undefined while that is open. */
export function readTwilioReport(form: Record<string, string>): DeliveryReport | undefined {
  const { MessageStatus: message, CallStatus: call, ErrorCode: errorCode } = form;
  const outcome = outcomes.get(message ?? call ?? '');
  if (outcome === undefined) return undefined;
  return { outcome, ...(errorCode !== undefined && /^\d{1,6}$/.test(errorCode) && { errorCode }) };
}
