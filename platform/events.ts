/**
 * The business events: one function each, which counts it, logs it and puts it into the audit log. They never throw. A
 * metric label is never an id; a number, an address, a code or a token is in none of the three. What is passed as an
 * identity leaves as a pseudonym.
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { CredentialKind, Identifier } from '../domain/account.ts';
import { type Notification, type NotificationKind, notificationWorkflowId } from '../domain/notifications.ts';
import type { DeliveryReport, DeliveryReportOrigin } from '../domain/providers.ts';
import type { StepName, WaitingFor } from '../domain/registration.ts';
import type { Channel, CodeSubject } from '../domain/verification.ts';
import type { Recorder } from './audit.ts';
import type { Logger } from './log.ts';

export type Events = ReturnType<typeof createEvents>;

/** A message with a code, as far as events speak of it. */
export interface SentCode extends CodeSubject {
  channel: Channel;
  /** Number of the send within its subject. */
  send: number;
  provider: string;
  /** Of the number: ISO 3166, or a calling code such as `+44`. */
  country?: string | undefined;
  /** Where it went; its pseudonym is kept. */
  to: string;
}

/** What the codes of the checking script mean to those who count failures; a success that is repeated is one. */
const checkReasons: Record<string, string | undefined> = {
  wrong: 'otp-mismatch',
  exhausted: 'otp-max-attempts',
  expired: 'otp-expired',
  early: 'otp-too-early',
  none: 'otp-not-sent',
  already: 'otp-already-used',
};

/** Upper bounds in seconds, from a read of Redis to a provider that is given up. */
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

/** A name and password that were tried at the directory, at a registration or at a log-in. */
interface DirectoryTry {
  registrationId?: string;
  tryId: string;
  username: string;
  reason?: string;
}

/** What happens to registrations, and the accounts and sessions they end in. */
function createRegistrationEvents(log: Logger, counter: Count, record: Recorder) {
  const registrations = counter('registrations_total', 'Registrations by what became of them', ['state']);
  const stops = counter('registration_stops_total', 'Owners of numbers and addresses who said "not me"', []);
  const steps = counter('registration_steps_total', 'Steps tried, by outcome', ['step', 'outcome']);

  return {
    registrationStarted(registrationId: string): void {
      registrations.inc({ state: 'started' });
      log.info({ event: 'registration.started', registrationId });
      const registration = { id: registrationId, state: 'pending' };
      const message = 'A registration was started';
      record('registration-start', { status: 'success', message, once: registrationId, details: { registration } });
    },
    registrationEnded(registrationId: string, state: string, reason?: string, userId?: string): void {
      registrations.inc({ state });
      log.info({ event: `registration.${state}`, registrationId, reason });
      record('user-register', {
        status: state === 'completed' ? 'success' : 'failure',
        message: `A registration was ${state}`,
        reason: state === 'completed' ? undefined : (reason ?? state),
        once: registrationId,
        userId,
        details: { registration: { id: registrationId, state } },
      });
    },
    /** The owner of a number or address said "not me"; `count` registrations were running. */
    registrationsStopped({ userId, count }: { userId: string; count: number }): void {
      stops.inc();
      log.warn({ event: 'registrations.stopped', userId, count });
      const message = 'The owner of a number or address ended the registrations that others had begun with it';
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
      const message = 'A captcha was not good enough';
      record('captcha-verify', { status: 'failure', message, reason, details: { registration } });
    },
    /**
     * `reason` tells inside what outside looks alike, such as a disabled entry from a wrong password; none means that
     * the password was right. A try is one, whoever repeats it, by its id.
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

/** A try to log in: `loginId` is the log-in that waits for a code, `identity` what was typed to name the person. */
interface LoginTry {
  method: 'code' | 'password';
  loginId?: string;
  userId?: string | undefined;
  identity?: string;
  /** Why not, for the audit log: outside, all refusals are alike. None means that it went well. */
  reason?: string | undefined;
}

/** What happens to log-ins, sessions and their tokens. */
function createSessionEvents(log: Logger, counter: Count, record: Recorder) {
  const logins = counter('logins_total', 'Log-ins tried, by what proved the person and outcome', ['method', 'outcome']);
  const sessions = counter('sessions_total', 'Sessions begun', []);
  const ends = counter('sessions_ended_total', 'Sessions ended before their time, by why', ['why']);
  const refreshes = counter('token_refreshes_total', 'Refresh tokens used, by outcome', ['outcome']);

  return {
    /** A code for a log-in was asked for; `userId` is absent when nothing was sent. */
    loginBegun({ loginId, channel, identity, userId }: LoginBegin): void {
      logins.inc({ method: 'code', outcome: 'begun' });
      log.info({ event: 'login.begun', loginId, channel });
      const reason = userId === undefined ? 'nobody-to-send-to' : undefined;
      record('otp-request', {
        status: reason === undefined ? 'success' : 'failure',
        message: 'A code for a log-in was asked for',
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
        message: reason === undefined ? `Somebody logged in by ${method}` : `A log-in by ${method} was refused`,
        reason,
        ...(identity !== undefined && { identity }),
        userId,
        metadata: { method },
      });
    },
    sessionCreated(sessionId: string, userId: string): void {
      sessions.inc();
      log.info({ event: 'session.created', sessionId, userId });
      record('session-start', { status: 'success', message: 'A session began', once: sessionId, userId });
    },
    tokenRefreshed(sessionId: string, userId: string): void {
      refreshes.inc({ outcome: 'rotated' });
      log.info({ event: 'token.refreshed', sessionId, userId });
      record('token-refresh', { status: 'success', message: 'A refresh token was rotated', userId });
    },
    /** Two have the refresh tokens of one session: whose it is cannot be told, so it ended. */
    refreshReused(sessionId: string, userId: string): void {
      refreshes.inc({ outcome: 'reused' });
      ends.inc({ why: 'refresh-token-reused' });
      log.error({ event: 'token.reused', sessionId, userId });
      record('token-refresh', {
        status: 'failure',
        message: 'A refresh token was used again after its successor: its session was ended',
        reason: 'refresh-token-reused',
        level: 'error',
        once: `${sessionId} reused`,
        userId,
      });
    },
    loggedOut({ sessionId, userId, everywhere }: { sessionId: string; userId: string; everywhere: boolean }): void {
      ends.inc({ why: everywhere ? 'logout-everywhere' : 'logout' });
      log.info({ event: 'session.logged-out', sessionId, userId, everywhere });
      const message = everywhere ? 'Somebody logged out everywhere' : 'Somebody logged out';
      record('logout', { status: 'success', message, once: sessionId, userId, metadata: { everywhere } });
    },
    /** A session of a person was ended from another one, or by a new one where a person has one. */
    sessionEnded({ sessionId, userId, why }: { sessionId: string; userId: string; why: 'revoked' | 'replaced' }): void {
      ends.inc({ why });
      log.info({ event: 'session.ended', sessionId, userId, why });
      const message = why === 'revoked' ? 'A session was ended by its person' : 'A session was ended by a newer one';
      record('session-revoke', { status: 'success', message, reason: why, once: sessionId, userId });
    },
  };
}

/** What happens to passwords and PINs of accounts. */
function createCredentialEvents(log: Logger, counter: Count, record: Recorder) {
  const changes = counter('credential_changes_total', 'Passwords and PINs changed, by why', ['kind', 'why']);
  const checks = counter('credential_checks_total', 'Passwords and PINs given as proof, by outcome', [
    'kind',
    'outcome',
  ]);

  const recoveries = counter('recoveries_total', 'Recoveries of passwords asked for, and stopped', ['outcome']);

  return {
    /** Given as proof in a session, not to log in. */
    credentialChecked({ userId, kind, isRight }: { userId: string; kind: CredentialKind; isRight: boolean }): void {
      checks.inc({ kind, outcome: isRight ? 'right' : 'wrong' });
      log[isRight ? 'info' : 'warn']({ event: 'credential.checked', userId, kind, isRight });
      record(kind === 'pin' ? 'pin-verify' : 'password-verify', {
        status: isRight ? 'success' : 'failure',
        message: `A ${kind} was ${isRight ? 'proven' : 'wrong'}`,
        reason: isRight ? undefined : `wrong-${kind}`,
        userId,
      });
    },
    /** Somebody asked; whether anybody is named is not known yet. */
    recoveryBegun({ recoveryId, identity }: { recoveryId: string; identity: string }): void {
      recoveries.inc({ outcome: 'begun' });
      log.info({ event: 'recovery.begun', recoveryId });
      const message = 'A new password was asked for by somebody who forgot it';
      record('recovery-start', { status: 'success', message, once: recoveryId, identity });
    },
    recoveryStopped({ recoveryId, userId }: { recoveryId: string; userId: string }): void {
      recoveries.inc({ outcome: 'stopped' });
      log.warn({ event: 'recovery.stopped', recoveryId, userId });
      const message = 'The owner of an account stopped a recovery that somebody else asked for';
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

/** What happens to what accounts say of people. */
function createProfileEvents(log: Logger, counter: Count, record: Recorder) {
  const exported = counter('exports_total', 'Exports of all data of a person, by what there was of the audit log', [
    'audit_events',
  ]);
  const deletions = counter('account_deletions_total', 'Deletions of accounts by what became of them', ['state']);
  const profiles = counter('profile_changes_total', 'Changes of what accounts say of people, by field', [
    'field',
    'outcome',
  ]);
  return {
    /** What nobody has to prove: the full name, the language. */
    profileChanged({ userId, fields }: { userId: string; fields: string[] }): void {
      for (const field of fields) profiles.inc({ field, outcome: 'changed' });
      log.info({ event: 'profile.changed', userId, fields });
      const message = 'A person changed what their account says of them';
      record('profile-change', { status: 'success', message, userId, metadata: { fields: fields.join(' ') } });
    },
    /** `auditEvents`: whether the person's audit events were in it. */
    dataExported({ userId, auditEvents }: { userId: string; auditEvents: string }): void {
      exported.inc({ audit_events: auditEvents });
      log.info({ event: 'data.exported', userId, auditEvents });
      const message = 'A person had everything exported that is stored of them';
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
    /** Whose it was is not known any more. */
    accountErased({ deletionId }: { deletionId: string }): void {
      deletions.inc({ state: 'erased' });
      log.info({ event: 'deletion.erased', deletionId });
      const message = 'An account was erased with everything of its person';
      record('user-delete', { status: 'success', message, once: deletionId, metadata: { deletion: deletionId } });
    },
    /** `isTaken`: somebody else has it, and nothing was changed. */
    identityChanged({ changeId, userId, kind, isTaken }: ChangedIdentity): void {
      profiles.inc({ field: kind, outcome: isTaken ? 'taken' : 'changed' });
      log[isTaken ? 'warn' : 'info']({ event: isTaken ? 'identity.taken' : 'identity.changed', userId, kind });
      record('profile-change', {
        status: isTaken ? 'failure' : 'success',
        message: isTaken ? `Somebody else has the ${kind} that a person wanted` : `The ${kind} of a person was changed`,
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
  /** What was typed to name the person; its pseudonym is kept. */
  identity: string;
  userId?: string | undefined;
}

/** What happens to one-time codes. */
function createCodeEvents(log: Logger, counter: Count, record: Recorder) {
  const labels = ['channel', 'provider', 'country', 'outcome'] as const;
  const sends = counter('codes_sent_total', 'Codes handed to a provider, by outcome', [...labels]);
  const checks = counter('codes_checked_total', 'Codes checked, by outcome', ['outcome']);

  const handed = (code: SentCode, outcome: 'sent' | 'refused', providerId?: string, reason?: string): void => {
    const { subject, purpose, channel, send, provider, country, to } = code;
    sends.inc({ channel, provider, country: country ?? 'none', outcome });
    record('message-send', {
      status: outcome === 'sent' ? 'success' : 'failure',
      message: outcome === 'sent' ? `${provider} took a code` : `${provider} refused a code`,
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
      record('otp-request', { status: 'success', message: 'A code was asked for', once, details });
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
        message: isRight ? 'The right code was typed' : 'A code was refused',
        reason: checkReasons[outcome],
        details: {
          registration: { id: of.subject, step: 'code' },
          otp: { purpose: of.purpose, attempts_left: attemptsLeft },
        },
      });
    },
  };
}

/** What providers say, later, became of messages. */
function createDeliveryReportEvents(log: Logger, counter: Count, record: Recorder) {
  const labels = ['channel', 'provider', 'country', 'outcome'] as const;
  const reports = counter('delivery_reports_total', 'Delivery receipts by what they say', [...labels]);

  return {
    /** One event a message and provider, whoever repeats it. */
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
        message: `${provider} says of a message: ${outcome}`,
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
    /** `unknown`: of no message that is remembered. `refused`: nobody knows who wrote it. The answer tells of the latter. */
    deliveryReportIgnored(provider: string, outcome: 'unknown' | 'refused'): void {
      reports.inc({ channel: 'none', provider, country: 'none', outcome });
      log.warn({ event: 'delivery-report.ignored', provider, outcome });
    },
  };
}

/** A notification to the owner of an account, as far as events speak of it. */
interface SentNotification {
  notificationId: string;
  userId: string;
  kind: NotificationKind | 'recovery';
  /** Where it went; its pseudonym is kept. */
  to: string;
  provider: string;
}

/** What happens to notifications. */
function createNotificationEvents(log: Logger, counter: Count, record: Recorder) {
  const notifications = counter('notifications_total', 'Notices handed to a provider, by outcome', [
    'kind',
    'provider',
    'outcome',
  ]);
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
      message: `${provider} ${outcome === 'sent' ? 'took' : 'refused'} a notification: ${kind}`,
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
    /** Temporal was away when the notification was to begin. */
    notificationLost({ userId, kind, occasion }: Notification): void {
      notifications.inc({ kind, provider: 'none', outcome: 'lost' });
      log.error({ event: 'notification.lost', kind });
      record('notification-send', {
        status: 'failure',
        message: `A notification was not begun, because Temporal is away: ${kind}`,
        reason: 'unavailable',
        level: 'error',
        once: `${notificationWorkflowId({ userId, kind, occasion })} lost`,
        targetUserId: userId,
        metadata: { kind },
      });
    },
  };
}

/** The flow a code belongs to, as log lines name it. */
function registrationOf({ subject, purpose }: CodeSubject): Record<string, string> {
  return purpose === 'register' ? { registrationId: subject } : { verificationId: subject };
}

/** What happens to requests, whatever they ask for. */
function createRequestEvents(log: Logger, counter: Count, registry: Registry, record: Recorder) {
  const requests = new Histogram({
    name: 'vyry_http_request_duration_seconds',
    help: 'Duration of requests by route and status',
    labelNames: ['method', 'route', 'status'],
    buckets: durationBuckets,
    registers: [registry],
  });
  const inFlight = new Gauge({ name: 'vyry_http_requests_in_flight', help: 'Requests', registers: [registry] });
  const limits = counter('limits_hit_total', 'Requests refused by a limit', ['limit']);
  const pauses = counter('prefixes_refused_total', 'Codes refused because their block of numbers is paused', []);

  return {
    /** A bug: the caller is told nothing, the log everything. */
    requestFailed(err: unknown): void {
      log.error({ event: 'request.failed', err });
    },
    /** A dependency did not answer in time: the caller is told to come back. Only names and states, as drivers say them. */
    dependencyFailed(err: unknown): void {
      const { name, message } = err as Error;
      log.warn({ event: 'dependency.failed', reason: `${name}: ${message}` });
    },
    /** A block of numbers, by its keyed hash, gets no codes until an instant in milliseconds. One event a pause. */
    prefixPaused({ prefix, country, until }: { prefix: string; country?: string | undefined; until: number }): void {
      pauses.inc();
      log.error({ event: 'prefix.paused', country, until });
      record('prefix-paused', {
        status: 'failure',
        message: 'A block of numbers is paused: too many codes were sent to it and none was typed',
        reason: 'unproven-sends-per-prefix',
        level: 'error',
        once: `${prefix} ${Math.round(until / 60_000)}`,
        details: country === undefined ? {} : { messaging: { country } },
        rule: 'unproven-sends-per-prefix',
      });
    },
    /** A limit over all people was reached, until an instant in milliseconds. One event an hour. */
    sendingStopped(limit: string, until: number): void {
      log.error({ event: 'sending.stopped', limit, until });
      record('sending-stopped', {
        status: 'failure',
        message: `A limit over all people was reached: ${limit}`,
        reason: limit,
        level: 'error',
        once: `${limit} ${Math.floor(until / 3_600_000)}`,
        rule: limit,
      });
    },
    requestBegun(): void {
      inFlight.inc();
    },
    /** Refusals, failures and what changed something are audited; reads that were answered are not. */
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
    message: `${method} ${route} was answered ${status}`,
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

/** How long things took, by outcome: figures alone, what happened is told by other events. */
function createDurationEvents(registry: Registry) {
  const histogram = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Histogram({ name: `vyry_${name}`, help, labelNames, buckets: durationBuckets, registers: [registry] });
  const activities = histogram('activity_duration_seconds', 'Duration of activities by outcome', [
    'activity',
    'outcome',
  ]);
  const sends = histogram('code_send_duration_seconds', 'Duration of handing a code to its provider', [
    'channel',
    'provider',
    'outcome',
  ]);
  const codec = histogram('codec_request_duration_seconds', 'Duration of requests to the codec endpoint', [
    'path',
    'status',
  ]);

  return {
    /** `outcome`: done, the code of a failure, or error. */
    activityEnded({ activity, outcome, seconds }: { activity: string; outcome: string; seconds: number }): void {
      activities.observe({ activity, outcome }, seconds);
    },
    /** Also when the provider was away, which `codeSent` and `codeRefused` do not count. */
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
  /** With the names of its parameters in place of their values. */
  route: string;
  status: number;
  seconds: number;
  refusal?: { code: string; limit?: string; retryAfterSeconds?: number } | undefined;
  /** It changed nothing, where the method does not say so. */
  isRead?: boolean;
}

function requestAction(status: number) {
  if (status < 400) return 'api-request';
  if (status === 429) return 'rate-limited';
  return [401, 403, 423].includes(status) ? 'access-denied' : 'request-error';
}

/** What an operator did to a registration. */
interface OperatorAct {
  act: string;
  registrationId: string;
  number: number;
  operator?: string | undefined;
}

/** An account that was disabled or enabled, at an instant in milliseconds. */
interface AccessChange {
  userId: string;
  at: number;
  operator?: string | undefined;
}

/** What operators do. Their names are those they gave; the audit log says so by calling them names. */
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
    /** `operator` is the name an operator gave; `number` counts the acts on a registration, so that a repeat is one. */
    operatorAct({ act, registrationId, number, operator }: OperatorAct): void {
      log.info({ event: 'operator.acted', act, registrationId, operator });
      record('operator-act', {
        status: 'success',
        message: `An operator acted on a registration: ${act}`,
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
        message: 'The roles of a person were changed',
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

/** What happens to our processes, to what they depend on, and to the audit log itself. */
function createProcessEvents(log: Logger, counter: Count, record: Recorder) {
  const outages = counter('dependency_outages_total', 'Times a dependency was found away', ['dependency']);
  const dropped = counter('audit_dropped_total', 'Audit events dropped because there was no room', []);

  return {
    dependencyAway(dependency: WaitingFor | 'captcha' | 'breached-passwords', reason: string): void {
      outages.inc({ dependency });
      log.warn({ event: 'dependency.away', dependency, reason });
      const message = `${dependency} did not answer`;
      record('dependency-away', {
        status: 'failure',
        message,
        reason: 'unavailable',
        details: { dependency: { name: dependency } },
        metadata: { why: reason },
      });
    },
    /**
     * So many of the people who are linked to the directory are not in it any more that it is more likely to be asked in
     * the wrong place: none of them was disabled. One event a run.
     */
    directoryDoubted({ runId, checked, missing }: { runId: string; checked: number; missing: number }): void {
      outages.inc({ dependency: 'directory' });
      log.error({ event: 'directory.doubted', checked, missing });
      record('dependency-away', {
        status: 'failure',
        message: 'Most linked people are missing from the directory: nobody was disabled',
        reason: 'entries-missing',
        level: 'error',
        once: runId,
        details: { dependency: { name: 'directory' } },
        metadata: { checked, missing },
      });
    },
    /** `runId` makes it one event, whoever repeats it. */
    purged({ runId, claims }: { runId: string; claims: number }): void {
      log.info({ event: 'purge.done', claims });
      const message = 'What had expired was removed';
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
    /** One a minute, whichever process says it. */
    auditHeartbeat(minute: number): void {
      record('audit-heartbeat', { status: 'success', message: 'The audit log works', once: `minute ${minute}` });
    },
  };
}
