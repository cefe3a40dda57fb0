import type { DeliveryId } from '../../domain/providers.ts';
import type { Channel, CodeSubject } from '../../domain/verification.ts';
import type { Outputs } from './outputs.ts';

/** The fields of a message with a code that events record. */
interface SentCode extends CodeSubject {
  channel: Channel;
  /** Number of the send within its subject. */
  send: number;
  provider: string;
  /** Country of the phone number: ISO 3166, or a calling code such as `+44`. */
  country?: string | undefined;
  /** The recipient; only its pseudonym is recorded. */
  to: string;
}

/** A code that was requested, and to whom, by name or pseudonym, it goes. */
interface RequestedCode extends CodeSubject {
  channel: Channel;
  send: number;
  country?: string | undefined;
  identity?: string;
  pseudonyms?: readonly string[] | undefined;
}

/** A try to send a message that no provider's answer ended. */
interface FailedSend extends DeliveryId {
  channel: string;
  provider: string;
  country?: string | undefined;
  /** The recipient; only its pseudonym is recorded. */
  to: string;
  reason: string;
  why: string;
}

/** The audit reason for each outcome of `code-check.lua`. A repeated success counts as a success. */
const checkReasons: Record<string, string | undefined> = {
  wrong: 'otp-mismatch',
  exhausted: 'otp-max-attempts',
  expired: 'otp-expired',
  early: 'otp-too-early',
  none: 'otp-not-sent',
  already: 'otp-already-used',
};

/** Creates the events of one-time codes. */
export function createCodeEvents({ counter, record, report }: Outputs) {
  const sends = counter('codes_sent_total', 'Codes sent to a provider, by outcome', [
    'channel',
    'provider',
    'country',
    'outcome',
  ]);
  const checks = counter('codes_checked_total', 'Codes checked, by outcome', ['outcome']);

  const handed = (code: SentCode, outcome: 'sent' | 'refused', result: { providerId?: string; reason?: string }) => {
    const { subject, purpose, channel, send, provider, country, to } = code;
    const { providerId, reason } = result;
    report({
      counter: sends,
      labels: { channel, provider, country: country ?? 'none', outcome },
      level: outcome === 'sent' ? 'info' : 'warn',
      log: { event: `code.${outcome}`, ...subjectId(code), channel, send, ...result },
      audit: {
        action: 'message-send',
        status: outcome === 'sent' ? 'success' : 'failure',
        message: outcome === 'sent' ? `${provider} accepted a code` : `${provider} refused a code`,
        reason,
        once: `${subject} ${send} ${outcome}`,
        identity: to,
        details: {
          registration: { id: subject },
          otp: { channel, purpose, send },
          messaging: { provider, ...(providerId && { id: providerId }), ...(country && { country }) },
        },
      },
    });
  };

  return {
    codeRequested({ subject, purpose, channel, send, ...recipient }: RequestedCode): void {
      const { country, ...names } = recipient;
      const messaging = country === undefined ? {} : { messaging: { country } };
      const details = { registration: { id: subject }, otp: { channel, purpose, send }, ...messaging };
      const once = `${subject} ${send}`;
      record('otp-request', { status: 'success', message: 'A code was requested', once, ...names, details });
    },
    codeSent(code: SentCode, providerId: string): void {
      handed(code, 'sent', { providerId });
    },
    codeRefused(code: SentCode, reason: string): void {
      handed(code, 'refused', { reason });
    },
    codeChecked(of: CodeSubject, outcome: string, attemptsLeft: number): void {
      const isRight = outcome === 'verified' || outcome === 'already';
      report({
        counter: checks,
        labels: { outcome },
        log: { event: 'code.checked', ...subjectId(of), outcome },
        audit: {
          action: 'otp-verify',
          status: isRight ? 'success' : 'failure',
          message: isRight ? 'A code was correct' : 'A code was refused',
          reason: checkReasons[outcome],
          details: {
            registration: { id: of.subject, step: 'code' },
            otp: { purpose: of.purpose, attempts_left: attemptsLeft },
          },
        },
      });
    },
  };
}

/** Creates the events of tries to send that failed. */
export function createSendTryEvents({ record }: Outputs) {
  return {
    /** A provider did not take a message: one event for each try. `reason`: the class of the failure. */
    sendFailed({ subject, kind, send, channel, provider, country, to, reason, why }: FailedSend): void {
      const isCode = kind !== 'notification' && kind !== 'recovery';
      record(isCode ? 'message-send' : 'notification-send', {
        status: 'failure',
        message: `${provider} did not take a message`,
        reason,
        identity: to,
        details: {
          ...(isCode && { registration: { id: subject }, otp: { channel, purpose: kind, send } }),
          messaging: { provider, ...(country && { country }) },
        },
        metadata: { kind, why },
      });
    },
  };
}

/** Returns the log field that names the registration or verification of a code. */
export function subjectId({ subject, purpose }: CodeSubject): Record<string, string> {
  return purpose === 'register' ? { registrationId: subject } : { verificationId: subject };
}
