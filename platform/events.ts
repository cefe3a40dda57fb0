/**
 * The business events: one function per event. It increments a metric, writes a log line and records an audit event.
 * The functions never throw. A metric label is never an id. Phone numbers, addresses, codes and tokens appear in none
 * of the three. A value passed as `identity` is recorded as a pseudonym.
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { CredentialKind, Identifier } from '../domain/account.ts';
import { type Notification, type NotificationKind, notificationWorkflowId } from '../domain/notifications.ts';
import type { DeliveryReport, DeliveryReportOrigin } from '../domain/providers.ts';
import type { StepName, WaitingFor } from '../domain/registration.ts';
import type { Channel, CodeSubject } from '../domain/verification.ts';
import type { Recorder } from './audit.ts';
import type { Logger } from './log.ts';

/** The event functions of a process. */
export type Events = ReturnType<typeof createEvents>;

/** The fields of a message with a code that events record. */
export interface SentCode extends CodeSubject {
  channel: Channel;
  /** Number of the send within its subject. */
  send: number;
  provider: string;
  /** Country of the phone number: ISO 3166, or a calling code such as `+44`. */
  country?: string | undefined;
  /** The recipient; only its pseudonym is recorded. */
  to: string;
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

/** Upper bounds of the histograms in seconds: from a Redis read to a provider timeout. */
const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

type Count = <L extends string>(name: string, help: string, labelNames: L[]) => Counter<L>;

/** Creates the event functions of a process. */
export function createEvents(log: Logger, registry: Registry, record: Recorder) {
  const counter: Count = (name, help, labelNames) =>
    new Counter({ name: `vyry_${name}`, help, labelNames, registers: [registry] });
  return {
    ...createRegistrationEvents(log, counter, record),
    ...createCodeEvents(log, counter, record),
    ...createSessionEvents(log, counter, record),
    ...createDeliveryReportEvents(log, counter, record),
    ...createCredentialEvents(log, counter, record),
    ...createProfileEvents(log, counter, record),
    ...createNotificationEvents(log, counter, record),
    ...createRequestEvents(log, counter, registry, record),
    ...createOperatorEvents(log, counter, record),
    ...createProcessEvents(log, counter, record),
    ...createDurationEvents(registry),
  };
}

/** An attempt to authenticate at the directory, in a registration or a log-in. */
interface DirectoryTry {
  registrationId?: string;
  tryId: string;
  username: string;
  reason?: string;
}

/** The events of registrations. */
function createRegistrationEvents(log: Logger, counter: Count, record: Recorder) {
  const registrations = counter('registrations_total', 'Registrations by state', ['state']);
  const stops = counter(
    'registration_stops_total',
    'Registrations stopped by the owner of the number or address ("not me")',
    [],
  );
  const steps = counter('registration_steps_total', 'Step attempts by outcome', ['step', 'outcome']);

  return {
    registrationStarted(registrationId: string): void {
      registrations.inc({ state: 'started' });
      log.info({ event: 'registration.started', registrationId });
      const registration = { id: registrationId, state: 'pending' };
      const message = 'A registration started';
      record('registration-start', { status: 'success', message, once: registrationId, details: { registration } });
    },
    registrationEnded(registrationId: string, state: string, reason?: string, userId?: string): void {
      registrations.inc({ state });
      log.info({ event: `registration.${state}`, registrationId, reason });
      record('user-register', {
        status: state === 'completed' ? 'success' : 'failure',
        message: `A registration ended: ${state}`,
        reason: state === 'completed' ? undefined : (reason ?? state),
        once: registrationId,
        userId,
        details: { registration: { id: registrationId, state } },
      });
    },
    /** The owner of a number or address answered "not me"; `count` registrations were running. */
    registrationsStopped({ userId, count }: { userId: string; count: number }): void {
      stops.inc();
      log.warn({ event: 'registrations.stopped', userId, count });
      const message = 'The owner of a number or address stopped the registrations that others had started with it';
      record('registration-stop', { status: 'success', message, userId, level: 'warn', metadata: { count } });
    },
    stepDone(registrationId: string, step: StepName): void {
      steps.inc({ step, outcome: 'done' });
      log.info({ event: 'registration.step-done', registrationId, step });
      record('registration-step', {
        status: 'success',
        message: `The step ${step} is done`,
        once: `${registrationId} ${step}`,
        details: { registration: { id: registrationId, step } },
      });
    },
    captchaRefused(registrationId: string, reason: string): void {
      steps.inc({ step: 'captcha', outcome: 'refused' });
      log.warn({ event: 'registration.step-refused', registrationId, step: 'captcha', reason });
      const registration = { id: registrationId, step: 'captcha' };
      const message = 'A captcha was refused';
      record('captcha-verify', { status: 'failure', message, reason, details: { registration } });
    },
    /**
     * `reason` distinguishes refusals that look the same to the client, such as a disabled entry and a wrong password.
     * It is absent when the password was correct. Repeats of an attempt with the same `tryId` are recorded once.
     */
    directoryTried(attempt: DirectoryTry): void {
      const { registrationId, tryId, username, reason } = attempt;
      if (reason !== undefined) {
        steps.inc({ step: 'directory', outcome: 'refused' });
        log.warn({ event: 'registration.step-refused', registrationId, step: 'directory', reason });
      }
      record('ldap-login', {
        status: reason === undefined ? 'success' : 'failure',
        message: reason === undefined ? 'The directory accepted a password' : 'The directory refused a log-in',
        reason,
        once: tryId,
        identity: username,
        details: registrationId === undefined ? {} : { registration: { id: registrationId, step: 'directory' } },
      });
    },
  };
}

/** An attempt to log in. `loginId`: the log-in that waits for a code. `identity`: the user name, number or address. */
interface LoginTry {
  method: 'code' | 'password';
  loginId?: string;
  userId?: string | undefined;
  identity?: string;
  /** Why it was refused, for the audit log only: the client sees one error for all reasons. Absent on success. */
  reason?: string | undefined;
}

/** The events of log-ins, sessions and their tokens. */
function createSessionEvents(log: Logger, counter: Count, record: Recorder) {
  const logins = counter('logins_total', 'Log-in attempts by method and outcome', ['method', 'outcome']);
  const sessions = counter('sessions_total', 'Sessions started', []);
  const ends = counter('sessions_ended_total', 'Sessions ended before they expired, by reason', ['why']);
  const refreshes = counter('token_refreshes_total', 'Refresh tokens used, by outcome', ['outcome']);

  return {
    /** A code for a log-in was requested; `userId` is absent when nothing was sent. */
    loginBegun({ loginId, channel, identity, userId }: LoginBegin): void {
      logins.inc({ method: 'code', outcome: 'begun' });
      log.info({ event: 'login.begun', loginId, channel });
      const reason = userId === undefined ? 'nobody-to-send-to' : undefined;
      record('otp-request', {
        status: reason === undefined ? 'success' : 'failure',
        message: 'A code for a log-in was requested',
        reason,
        once: loginId,
        identity,
        userId,
        details: { otp: { channel, purpose: 'login', send: 1 } },
      });
    },
    loginTried({ method, loginId, userId, identity, reason }: LoginTry): void {
      logins.inc({ method, outcome: reason === undefined ? 'done' : 'refused' });
      log[reason === undefined ? 'info' : 'warn']({ event: 'login.tried', method, loginId, userId, reason });
      record('login', {
        status: reason === undefined ? 'success' : 'failure',
        message: reason === undefined ? `A user logged in by ${method}` : `A log-in by ${method} was refused`,
        reason,
        ...(identity !== undefined && { identity }),
        userId,
        metadata: { method },
      });
    },
    sessionCreated(sessionId: string, userId: string): void {
      sessions.inc();
      log.info({ event: 'session.created', sessionId, userId });
      record('session-start', { status: 'success', message: 'A session started', once: sessionId, userId });
    },
    tokenRefreshed(sessionId: string, userId: string): void {
      refreshes.inc({ outcome: 'rotated' });
      log.info({ event: 'token.refreshed', sessionId, userId });
      record('token-refresh', { status: 'success', message: 'A refresh token was rotated', userId });
    },
    /** Two parties hold refresh tokens of one session. The legitimate one is not known, so the session was ended. */
    refreshReused(sessionId: string, userId: string): void {
      refreshes.inc({ outcome: 'reused' });
      ends.inc({ why: 'refresh-token-reused' });
      log.error({ event: 'token.reused', sessionId, userId });
      record('token-refresh', {
        status: 'failure',
        message: 'A refresh token was reused after it was rotated: its session was ended',
        reason: 'refresh-token-reused',
        level: 'error',
        once: `${sessionId} reused`,
        userId,
      });
    },
    loggedOut({ sessionId, userId, everywhere }: { sessionId: string; userId: string; everywhere: boolean }): void {
      ends.inc({ why: everywhere ? 'logout-everywhere' : 'logout' });
      log.info({ event: 'session.logged-out', sessionId, userId, everywhere });
      const message = everywhere ? 'A user logged out of all sessions' : 'A user logged out';
      record('logout', { status: 'success', message, once: sessionId, userId, metadata: { everywhere } });
    },
    /** A session was revoked from another session, or replaced by a new one where a user may have only one. */
    sessionEnded({ sessionId, userId, why }: { sessionId: string; userId: string; why: 'revoked' | 'replaced' }): void {
      ends.inc({ why });
      log.info({ event: 'session.ended', sessionId, userId, why });
      const message = why === 'revoked' ? 'A user revoked a session' : 'A newer session replaced a session';
      record('session-revoke', { status: 'success', message, reason: why, once: sessionId, userId });
    },
  };
}

/** The events of passwords and PINs. */
function createCredentialEvents(log: Logger, counter: Count, record: Recorder) {
  const changes = counter('credential_changes_total', 'Changes of passwords and PINs, by reason', ['kind', 'why']);
  const checks = counter('credential_checks_total', 'Passwords and PINs checked within a session, by outcome', [
    'kind',
    'outcome',
  ]);

  const recoveries = counter('recoveries_total', 'Password recoveries by outcome', ['outcome']);

  return {
    /** A password or PIN was entered within a session, not to log in. */
    credentialChecked({ userId, kind, isRight }: { userId: string; kind: CredentialKind; isRight: boolean }): void {
      checks.inc({ kind, outcome: isRight ? 'right' : 'wrong' });
      log[isRight ? 'info' : 'warn']({ event: 'credential.checked', userId, kind, isRight });
      record(kind === 'pin' ? 'pin-verify' : 'password-verify', {
        status: isRight ? 'success' : 'failure',
        message: `A ${kind} was ${isRight ? 'correct' : 'wrong'}`,
        reason: isRight ? undefined : `wrong-${kind}`,
        userId,
      });
    },
    /** A recovery was requested. It is not known yet whether `identity` belongs to an account. */
    recoveryBegun({ recoveryId, identity }: { recoveryId: string; identity: string }): void {
      recoveries.inc({ outcome: 'begun' });
      log.info({ event: 'recovery.begun', recoveryId });
      const message = 'A password recovery was requested';
      record('recovery-start', { status: 'success', message, once: recoveryId, identity });
    },
    recoveryStopped({ recoveryId, userId }: { recoveryId: string; userId: string }): void {
      recoveries.inc({ outcome: 'stopped' });
      log.warn({ event: 'recovery.stopped', recoveryId, userId });
      const message = 'The owner of an account stopped a password recovery';
      record('recovery-stop', { status: 'success', message, once: recoveryId, userId, level: 'warn' });
    },
    credentialChanged({ changeId, userId, kind, why }: ChangedCredential): void {
      changes.inc({ kind, why });
      log.info({ event: 'credential.changed', userId, kind, why });
      const resetOrChange = why === 'reset' ? 'password-reset' : 'password-change';
      record(kind === 'pin' ? 'pin-change' : resetOrChange, {
        status: 'success',
        message: `A ${kind} was ${why === 'reset' ? 'reset' : 'changed'}`,
        once: changeId,
        userId,
        metadata: { why },
      });
    },
  };
}

/** The events of profiles, data exports and account deletions. */
function createProfileEvents(log: Logger, counter: Count, record: Recorder) {
  const exported = counter('exports_total', 'Data exports, by completeness of the audit events in them', [
    'audit_events',
  ]);
  const deletions = counter('account_deletions_total', 'Account deletions by state', ['state']);
  const profiles = counter('profile_changes_total', 'Profile changes by field and outcome', ['field', 'outcome']);
  return {
    /** A user changed fields that need no verification: the full name, the language. */
    profileChanged({ userId, fields }: { userId: string; fields: string[] }): void {
      for (const field of fields) profiles.inc({ field, outcome: 'changed' });
      log.info({ event: 'profile.changed', userId, fields });
      const message = 'A user changed their profile';
      record('profile-change', { status: 'success', message, userId, metadata: { fields: fields.join(' ') } });
    },
    /** `auditEvents` tells whether the export contains the audit events of the user. */
    dataExported({ userId, auditEvents }: { userId: string; auditEvents: string }): void {
      exported.inc({ audit_events: auditEvents });
      log.info({ event: 'data.exported', userId, auditEvents });
      const message = 'A user exported their data';
      record('data-export', { status: 'success', message, userId, metadata: { auditEvents } });
    },
    deletionChanged({ deletionId, userId, state }: ChangedDeletion): void {
      deletions.inc({ state });
      log.info({ event: `deletion.${state}`, deletionId, userId });
      record(state === 'planned' ? 'deletion-start' : 'deletion-stop', {
        status: 'success',
        message: `The deletion of an account was ${state}`,
        once: deletionId,
        userId,
      });
    },
    /** The event names no user, because the account is erased. */
    accountErased({ deletionId }: { deletionId: string }): void {
      deletions.inc({ state: 'erased' });
      log.info({ event: 'deletion.erased', deletionId });
      const message = 'An account and the data of its user were erased';
      record('user-delete', { status: 'success', message, once: deletionId, metadata: { deletion: deletionId } });
    },
    /** `isTaken`: another account has the identifier, so nothing was changed. */
    identityChanged({ changeId, userId, kind, isTaken }: ChangedIdentity): void {
      profiles.inc({ field: kind, outcome: isTaken ? 'taken' : 'changed' });
      log[isTaken ? 'warn' : 'info']({ event: isTaken ? 'identity.taken' : 'identity.changed', userId, kind });
      record('profile-change', {
        status: isTaken ? 'failure' : 'success',
        message: isTaken ? `The new ${kind} of a user belongs to another account` : `The ${kind} of a user was changed`,
        reason: isTaken ? 'identity-taken' : undefined,
        once: `${changeId} ${kind}`,
        userId,
        metadata: { fields: kind },
      });
    },
  };
}

interface ChangedDeletion {
  deletionId: string;
  userId: string;
  state: 'planned' | 'stopped';
}

interface ChangedIdentity {
  changeId: string;
  userId: string;
  kind: Identifier['kind'];
  isTaken: boolean;
}

interface ChangedCredential {
  changeId: string;
  userId: string;
  kind: CredentialKind;
  why: 'change' | 'reset';
}

interface LoginBegin {
  loginId: string;
  channel: Channel;
  /** The user name, number or address entered; only its pseudonym is recorded. */
  identity: string;
  userId?: string | undefined;
}

/** The events of one-time codes. */
function createCodeEvents(log: Logger, counter: Count, record: Recorder) {
  const labels = ['channel', 'provider', 'country', 'outcome'] as const;
  const sends = counter('codes_sent_total', 'Codes sent to a provider, by outcome', [...labels]);
  const checks = counter('codes_checked_total', 'Codes checked, by outcome', ['outcome']);

  const handed = (code: SentCode, outcome: 'sent' | 'refused', providerId?: string, reason?: string): void => {
    const { subject, purpose, channel, send, provider, country, to } = code;
    sends.inc({ channel, provider, country: country ?? 'none', outcome });
    record('message-send', {
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
    });
  };

  return {
    codeRequested({ subject, purpose }: CodeSubject, channel: Channel, send: number): void {
      const details = { registration: { id: subject }, otp: { channel, purpose, send } };
      const once = `${subject} ${send}`;
      record('otp-request', { status: 'success', message: 'A code was requested', once, details });
    },
    codeSent(code: SentCode, providerId: string): void {
      const { channel, send } = code;
      log.info({ event: 'code.sent', ...registrationOf(code), channel, send, providerId });
      handed(code, 'sent', providerId);
    },
    codeRefused(code: SentCode, reason: string): void {
      const { channel, send } = code;
      log.warn({ event: 'code.refused', ...registrationOf(code), channel, send, reason });
      handed(code, 'refused', undefined, reason);
    },
    codeChecked(of: CodeSubject, outcome: string, attemptsLeft: number): void {
      checks.inc({ outcome });
      log.info({ event: 'code.checked', ...registrationOf(of), outcome });
      const isRight = outcome === 'verified' || outcome === 'already';
      record('otp-verify', {
        status: isRight ? 'success' : 'failure',
        message: isRight ? 'A code was correct' : 'A code was refused',
        reason: checkReasons[outcome],
        details: {
          registration: { id: of.subject, step: 'code' },
          otp: { purpose: of.purpose, attempts_left: attemptsLeft },
        },
      });
    },
  };
}

/** The events of delivery reports, in which providers report the outcome of a message later. */
function createDeliveryReportEvents(log: Logger, counter: Count, record: Recorder) {
  const labels = ['channel', 'provider', 'country', 'outcome'] as const;
  const reports = counter('delivery_reports_total', 'Delivery reports by outcome', [...labels]);

  return {
    /** One audit event per message and provider; repeats are recorded once. */
    deliveryReportTaken(of: DeliveryReportOrigin, { outcome, errorCode }: DeliveryReport, isRepeat: boolean): void {
      const { subject, purpose, channel, send, provider, country } = of;
      reports.inc({ channel, provider, country: country ?? 'none', outcome: isRepeat ? 'repeated' : outcome });
      log.info({
        event: 'delivery-report.taken',
        ...registrationOf(of),
        channel,
        send,
        provider,
        outcome,
        errorCode,
        isRepeat,
      });
      record('delivery-report', {
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

/** The fields of a notification to the owner of an account that events record. */
interface SentNotification {
  notificationId: string;
  userId: string;
  kind: NotificationKind | 'recovery';
  /** The recipient; only its pseudonym is recorded. */
  to: string;
  provider: string;
}

/** The events of notifications. */
function createNotificationEvents(log: Logger, counter: Count, record: Recorder) {
  const notifications = counter('notifications_total', 'Notifications by outcome', ['kind', 'provider', 'outcome']);
  const handed = (
    notification: SentNotification,
    outcome: 'sent' | 'refused',
    providerId?: string,
    reason?: string,
  ): void => {
    const { notificationId, userId, kind, to, provider } = notification;
    notifications.inc({ kind, provider, outcome });
    log[outcome === 'sent' ? 'info' : 'warn']({
      event: `notification.${outcome}`,
      notificationId,
      kind,
      provider,
      reason,
    });
    record('notification-send', {
      status: outcome === 'sent' ? 'success' : 'failure',
      message: `${provider} ${outcome === 'sent' ? 'accepted' : 'refused'} a notification: ${kind}`,
      reason,
      once: `${notificationId} ${outcome}`,
      targetUserId: userId,
      identity: to,
      details: { messaging: { provider, ...(providerId && { id: providerId }) } },
      metadata: { kind },
    });
  };
  return {
    notificationSent: (notification: SentNotification, providerId: string): void =>
      handed(notification, 'sent', providerId),
    notificationRefused: (notification: SentNotification, reason: string): void =>
      handed(notification, 'refused', undefined, reason),
    /** The notification workflow could not be started, because Temporal was unavailable. */
    notificationLost({ userId, kind, occasion }: Notification): void {
      notifications.inc({ kind, provider: 'none', outcome: 'lost' });
      log.error({ event: 'notification.lost', kind });
      record('notification-send', {
        status: 'failure',
        message: `A notification was not started, because Temporal is unavailable: ${kind}`,
        reason: 'unavailable',
        level: 'error',
        once: `${notificationWorkflowId({ userId, kind, occasion })} lost`,
        targetUserId: userId,
        metadata: { kind },
      });
    },
  };
}

/** Returns the log field that names the registration or verification of a code. */
function registrationOf({ subject, purpose }: CodeSubject): Record<string, string> {
  return purpose === 'register' ? { registrationId: subject } : { verificationId: subject };
}

/** The events of requests. */
function createRequestEvents(log: Logger, counter: Count, registry: Registry, record: Recorder) {
  const requests = new Histogram({
    name: 'vyry_http_request_duration_seconds',
    help: 'Duration of requests by route and status',
    labelNames: ['method', 'route', 'status'],
    buckets: durationBuckets,
    registers: [registry],
  });
  const inFlight = new Gauge({
    name: 'vyry_http_requests_in_flight',
    help: 'Requests in flight',
    registers: [registry],
  });
  const limits = counter('limits_hit_total', 'Requests refused by a limit', ['limit']);
  const pauses = counter('prefixes_refused_total', 'Codes refused because their block of 10,000 numbers is paused', []);

  return {
    /** A bug. The response contains no details; the log contains the error. */
    requestFailed(err: unknown): void {
      log.error({ event: 'request.failed', err });
    },
    /** A dependency did not respond in time; the client may retry. The reason has only names and states of drivers. */
    dependencyFailed(err: unknown): void {
      const { name, message } = err as Error;
      log.warn({ event: 'dependency.failed', reason: `${name}: ${message}` });
    },
    /**
     * A block of numbers, as a keyed hash, gets no codes until `until` (ms since the Unix epoch). One event per pause.
     */
    prefixPaused({ prefix, country, until }: { prefix: string; country?: string | undefined; until: number }): void {
      pauses.inc();
      log.error({ event: 'prefix.paused', country, until });
      record('prefix-paused', {
        status: 'failure',
        message: 'A block of numbers is paused: too many codes were sent to it and none was entered',
        reason: 'unproven-sends-per-prefix',
        level: 'error',
        once: `${prefix} ${Math.round(until / 60_000)}`,
        details: country === undefined ? {} : { messaging: { country } },
        rule: 'unproven-sends-per-prefix',
      });
    },
    /** A limit over all users was reached until `until` (ms since the Unix epoch). One event per hour. */
    sendingStopped(limit: string, until: number): void {
      log.error({ event: 'sending.stopped', limit, until });
      record('sending-stopped', {
        status: 'failure',
        message: `A limit over all users was reached: ${limit}`,
        reason: limit,
        level: 'error',
        once: `${limit} ${Math.floor(until / 3_600_000)}`,
        rule: limit,
      });
    },
    requestBegun(): void {
      inFlight.inc();
    },
    /** Audits refusals, failures and requests that change something. Successful reads are not audited. */
    requestEnded({ isRead, ...ended }: EndedRequest): void {
      const { method, route, status, seconds, refusal } = ended;
      inFlight.dec();
      requests.observe({ method, route, status }, seconds);
      const durationMs = Math.round(seconds * 1000);
      log.info({ event: 'request.ended', method, route, status, durationMs, ...refusal });
      if (refusal?.limit !== undefined) limits.inc({ limit: refusal.limit });
      if (status >= 400 || !(isRead ?? method === 'GET')) recordAnswer(record, ended);
    },
  };
}

function recordAnswer(
  record: Recorder,
  { method, route, status, seconds, refusal }: Omit<EndedRequest, 'isRead'>,
): void {
  const retryAfter = refusal?.retryAfterSeconds;
  record(requestAction(status), {
    status: status < 400 ? 'success' : 'failure',
    message: `${method} ${route} returned ${status}`,
    reason: refusal?.code,
    ...(status >= 500 && { level: 'error' }),
    isMinor: status < 500,
    durationSeconds: seconds,
    http: { method, route, status },
    errorCode: refusal?.code,
    rule: refusal?.limit,
    details: retryAfter === undefined ? {} : { rate_limit: { retry_after_seconds: retryAfter } },
  });
}

/** Durations by outcome. These are metrics only; other events log and audit the outcomes. */
function createDurationEvents(registry: Registry) {
  const histogram = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Histogram({ name: `vyry_${name}`, help, labelNames, buckets: durationBuckets, registers: [registry] });
  const activities = histogram('activity_duration_seconds', 'Duration of activities by outcome', [
    'activity',
    'outcome',
  ]);
  const sends = histogram('code_send_duration_seconds', 'Duration of sending a code to its provider', [
    'channel',
    'provider',
    'outcome',
  ]);
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
    providerAnswered(send: { channel: Channel; provider: string; outcome: string; seconds: number }): void {
      const { seconds, ...labels } = send;
      sends.observe(labels, seconds);
    },
    codecAnswered({ path, status, seconds }: { path: string; status: number; seconds: number }): void {
      codec.observe({ path, status }, seconds);
    },
  };
}

interface EndedRequest {
  method: string;
  /** The route, with parameter names in place of values. */
  route: string;
  status: number;
  seconds: number;
  refusal?: { code: string; limit?: string; retryAfterSeconds?: number } | undefined;
  /** Whether it changed nothing, where the method does not tell. */
  isRead?: boolean;
}

function requestAction(status: number) {
  if (status < 400) return 'api-request';
  if (status === 429) return 'rate-limited';
  return [401, 403, 423].includes(status) ? 'access-denied' : 'request-error';
}

/** An action of an operator on a registration. */
interface OperatorAct {
  act: string;
  registrationId: string;
  number: number;
  operator?: string | undefined;
}

/** An account that was disabled or enabled; `at` is in milliseconds since the Unix epoch. */
interface AccessChange {
  userId: string;
  at: number;
  operator?: string | undefined;
}

/** The events of operators. Their names are self-declared, so the audit log stores them as `operator.name`. */
function createOperatorEvents(log: Logger, counter: Count, record: Recorder) {
  const decodes = counter('payloads_decoded_total', 'Temporal payloads decrypted for operators', []);
  const logins = counter('operator_logins_total', 'Log-ins of operators to the codec endpoint', ['outcome']);
  const accessChanged = (act: 'disable' | 'enable', { userId, at, operator }: AccessChange): void => {
    log.info({ event: `user.${act}d`, userId, operator });
    record(`user-${act}`, {
      status: 'success',
      message: `An account was ${act}d`,
      once: `${userId} ${at}`,
      targetUserId: userId,
      details: { operator: { name: operator ?? 'unknown', act } },
    });
  };

  return {
    operatorLoggedIn(isRight: boolean): void {
      const event = isRight ? 'codec.operator-logged-in' : 'codec.operator-refused';
      logins.inc({ outcome: isRight ? 'accepted' : 'refused' });
      log[isRight ? 'info' : 'warn']({ event });
      record('operator-login', {
        status: isRight ? 'success' : 'failure',
        message: isRight
          ? 'An operator logged in to the codec endpoint'
          : 'The password of the codec endpoint was wrong',
        reason: isRight ? undefined : 'credentials-wrong',
      });
    },
    /**
     * `operator` is self-declared. `number` counts the actions on a registration, so that a repeat is recorded once.
     */
    operatorAct({ act, registrationId, number, operator }: OperatorAct): void {
      log.info({ event: 'operator.acted', act, registrationId, operator });
      record('operator-act', {
        status: 'success',
        message: `An operator changed a registration: ${act}`,
        once: `${registrationId} ${number}`,
        details: { registration: { id: registrationId }, operator: { name: operator ?? 'unknown', act } },
      });
    },
    userDisabled(change: AccessChange): void {
      accessChanged('disable', change);
    },
    userEnabled(change: AccessChange): void {
      accessChanged('enable', change);
    },
    rolesChanged({ userId, at, operator, roles }: AccessChange & { roles: string[] }): void {
      log.info({ event: 'user.roles-changed', userId, operator, roles });
      record('role-change', {
        status: 'success',
        message: 'The roles of a user were changed',
        once: `${userId} ${at}`,
        targetUserId: userId,
        details: { operator: { name: operator ?? 'unknown', act: 'set-roles' } },
        metadata: { roles: roles.join(' ') },
      });
    },
    payloadsDecoded(payloads: number): void {
      decodes.inc(payloads);
      log.info({ event: 'codec.decoded', payloads });
      const message = 'Temporal payloads were decrypted for an operator';
      record('payload-decode', { status: 'success', message, metadata: { payloads } });
    },
  };
}

/** The events of processes, their dependencies and the audit log itself. */
function createProcessEvents(log: Logger, counter: Count, record: Recorder) {
  const outages = counter('dependency_outages_total', 'Times a dependency was found unavailable', ['dependency']);
  const dropped = counter('audit_dropped_total', 'Audit events dropped because the audit stream was full', []);

  return {
    dependencyAway(dependency: WaitingFor | 'captcha' | 'breached-passwords', reason: string): void {
      outages.inc({ dependency });
      log.warn({ event: 'dependency.away', dependency, reason });
      const message = `${dependency} is unavailable`;
      record('dependency-away', {
        status: 'failure',
        message,
        reason: 'unavailable',
        details: { dependency: { name: dependency } },
        metadata: { why: reason },
      });
    },
    /**
     * Most of the checked accounts are missing from the directory. A wrong search base or filter is the more likely
     * cause, so none of them was disabled. One event per run.
     */
    directoryDoubted({ runId, checked, missing }: { runId: string; checked: number; missing: number }): void {
      outages.inc({ dependency: 'directory' });
      log.error({ event: 'directory.doubted', checked, missing });
      record('dependency-away', {
        status: 'failure',
        message: 'Most linked accounts are missing from the directory: no account was disabled',
        reason: 'entries-missing',
        level: 'error',
        once: runId,
        details: { dependency: { name: 'directory' } },
        metadata: { checked, missing },
      });
    },
    /** Repeats with the same `runId` are recorded once. */
    purged({ runId, claims }: { runId: string; claims: number }): void {
      log.info({ event: 'purge.done', claims });
      const message = 'Expired data was removed';
      record('purge', { status: 'success', message, once: runId, metadata: { claims } });
    },
    processStarted(): void {
      record('process-start', { status: 'success', message: 'A process is ready' });
    },
    processStopped(): void {
      record('process-stop', { status: 'success', message: 'A process was stopped' });
    },
    auditDropped(count: number): void {
      dropped.inc(count);
      log.error({ event: 'audit.dropped', count });
    },
    auditGap(count: number): void {
      log.error({ event: 'audit.gap', count });
      record('audit-gap', {
        status: 'failure',
        message: `${count} events were dropped while the audit stream was full`,
        reason: 'stream-full',
        level: 'error',
        details: { audit: { dropped: count } },
      });
    },
    /** One event per minute over all processes. */
    auditHeartbeat(minute: number): void {
      record('audit-heartbeat', { status: 'success', message: 'The audit log works', once: `minute ${minute}` });
    },
  };
}
