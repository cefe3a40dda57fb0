import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { EcsFlat } from '@elastic/ecs';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { auditTemplate } from '../../adapters/elastic/template.ts';
import { type AuditAction, type AuditEvent, auditActions } from '../../domain/audit.ts';
import { type AppendOptions, createRecorder } from '../../platform/audit.ts';
import { Secret } from '../../platform/config/secret.ts';
import { createEvents, type Events } from '../../platform/events/events.ts';
import { type Trace, traces } from '../../platform/log.ts';
import { linesOf } from '../support/node-process.ts';

const registrationId = 'a11ce0000000000000000000000000ff';
const sessionId = '5e55100000000000000000000000ffff';
const userId = 'b0b00000000000000000000000000fff';
const providerId = 'SM0123456789';
const to = '+447700900101';
const username = 'ada-canary';
const subject = { subject: registrationId, purpose: 'register' } as const;
const code = { ...subject, channel: 'sms', send: 1, provider: 'twilio', country: 'GB', to } as const;
const notification = { notificationId: 'run-1', userId, kind: 'welcome', to, provider: 'smtp' } as const;
const trace: Trace = {
  requestId: 'r-1',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  ip: '192.0.2.7',
  userAgent: 'curl/8',
};

interface Expectation {
  event: string;
  level: string;
  /** Every field of the log line except event, level and time. */
  fields: string[];
}

interface Row {
  run: (events: Events) => void;
  logs?: Expectation;
  audits?: AuditAction;
  /** Recorded without the request that led to it. */
  isDetached?: true;
}

const device = { userId, deviceId: '1' };
const sentWakeUp = { ...device, wakeUpId: 'w-1', why: 'device-link' as const };

/** Each event once. A new event does not compile without a row. */
const calls: { [K in keyof Events]: Row } = {
  registrationStarted: {
    run: (events) => events.registrationStarted(registrationId),
    logs: { event: 'registration.started', level: 'info', fields: ['registrationId'] },
    audits: 'registration-start',
  },
  registrationEnded: {
    run: (events) => events.registrationEnded(registrationId, 'rejected', 'identity-taken'),
    logs: { event: 'registration.rejected', level: 'info', fields: ['registrationId', 'reason'] },
    audits: 'user-register',
  },
  stepDone: {
    run: (events) => events.stepDone(registrationId, 'captcha'),
    logs: { event: 'registration.step-done', level: 'info', fields: ['registrationId', 'step'] },
    audits: 'registration-step',
  },
  captchaRefused: {
    run: (events) => events.captchaRefused(registrationId, 'score-low'),
    logs: { event: 'registration.step-refused', level: 'warn', fields: ['registrationId', 'step', 'reason'] },
    audits: 'captcha-verify',
  },
  directoryTried: {
    run: (events) => events.directoryTried({ registrationId, tryId: 'ref-1', username, reason: 'password-wrong' }),
    logs: { event: 'registration.step-refused', level: 'warn', fields: ['registrationId', 'step', 'reason'] },
    audits: 'ldap-login',
  },
  codeRequested: { run: (events) => events.codeRequested(subject, 'sms', 1), audits: 'otp-request' },
  deliveryReportTaken: {
    run: (events) => events.deliveryReportTaken(code, { outcome: 'undelivered', errorCode: '30003' }, false),
    logs: {
      event: 'delivery-report.taken',
      level: 'info',
      fields: ['registrationId', 'channel', 'send', 'provider', 'outcome', 'errorCode', 'isRepeat'],
    },
    audits: 'delivery-report',
  },
  deliveryReportIgnored: {
    run: (events) => events.deliveryReportIgnored('infobip', 'refused'),
    logs: { event: 'delivery-report.ignored', level: 'warn', fields: ['provider', 'outcome'] },
  },
  codeSent: {
    run: (events) => events.codeSent(code, providerId),
    logs: { event: 'code.sent', level: 'info', fields: ['registrationId', 'channel', 'send', 'providerId'] },
    audits: 'message-send',
  },
  codeRefused: {
    run: (events) => events.codeRefused(code, 'number-not-valid'),
    logs: { event: 'code.refused', level: 'warn', fields: ['registrationId', 'channel', 'send', 'reason'] },
    audits: 'message-send',
  },
  codeChecked: {
    run: (events) => events.codeChecked(subject, 'wrong', 4),
    logs: { event: 'code.checked', level: 'info', fields: ['registrationId', 'outcome'] },
    audits: 'otp-verify',
  },
  notificationSent: {
    run: (events) => events.notificationSent(notification, providerId),
    logs: { event: 'notification.sent', level: 'info', fields: ['notificationId', 'kind', 'provider'] },
    audits: 'notification-send',
  },
  notificationRefused: {
    run: (events) => events.notificationRefused(notification, 'mailbox-refused'),
    logs: { event: 'notification.refused', level: 'warn', fields: ['notificationId', 'kind', 'provider', 'reason'] },
    audits: 'notification-send',
  },
  notificationLost: {
    run: (events) => events.notificationLost({ userId: 'u-1', kind: 'session-stolen', occasion: 's-1' }),
    logs: { event: 'notification.lost', level: 'error', fields: ['kind'] },
    audits: 'notification-send',
  },
  pushChanged: {
    run: (events) => events.pushChanged({ ...device, provider: 'webpush' }),
    logs: { event: 'push.changed', level: 'info', fields: ['userId', 'deviceId', 'provider'] },
    audits: 'push-change',
  },
  pushRemoved: {
    run: (events) => events.pushRemoved({ ...device, provider: 'fcm', wakeUpId: 'w-1' }),
    logs: { event: 'push.removed', level: 'warn', fields: ['userId', 'deviceId', 'provider'] },
    audits: 'push-change',
  },
  wakeUpAnswered: {
    run: (events) =>
      events.wakeUpAnswered(sentWakeUp, { provider: 'apns', result: 'refused', status: 400 }, 'BadTopic'),
    logs: {
      event: 'wake-up.refused',
      level: 'warn',
      fields: ['wakeUpId', 'userId', 'deviceId', 'provider', 'why', 'status', 'reason'],
    },
    audits: 'wake-up-send',
  },
  wakeUpLost: {
    run: (events) => events.wakeUpLost(sentWakeUp),
    logs: { event: 'wake-up.lost', level: 'error', fields: ['wakeUpId', 'userId', 'deviceId', 'why'] },
    audits: 'wake-up-send',
  },
  dependencyAway: {
    run: (events) => events.dependencyAway('sms', 'twilio 503'),
    logs: { event: 'dependency.away', level: 'warn', fields: ['dependency', 'reason'] },
    audits: 'dependency-away',
  },
  loginBegun: {
    run: (events) => events.loginBegun({ loginId: 'l-1', channel: 'sms', identity: username, userId: 'u-1' }),
    logs: { event: 'login.begun', level: 'info', fields: ['loginId', 'channel'] },
    audits: 'otp-request',
  },
  loginTried: {
    run: (events) => events.loginTried({ method: 'password', identity: username, reason: 'unknown-user' }),
    logs: { event: 'login.tried', level: 'warn', fields: ['method', 'reason'] },
    audits: 'login',
  },
  tokenRefreshed: {
    run: (events) => events.tokenRefreshed('s-1', 'u-1'),
    logs: { event: 'token.refreshed', level: 'info', fields: ['sessionId', 'userId'] },
    audits: 'token-refresh',
  },
  refreshReused: {
    run: (events) => events.refreshReused('s-1', 'u-1'),
    logs: { event: 'token.reused', level: 'error', fields: ['sessionId', 'userId'] },
    audits: 'token-refresh',
  },
  loggedOut: {
    run: (events) => events.loggedOut({ sessionId: 's-1', userId: 'u-1', everywhere: true }),
    logs: { event: 'session.logged-out', level: 'info', fields: ['sessionId', 'userId', 'everywhere'] },
    audits: 'logout',
  },
  rolesChanged: {
    run: (events) => events.rolesChanged({ userId, at: 1, operator: 'alice', roles: ['admin', 'user'] }),
    logs: { event: 'user.roles-changed', level: 'info', fields: ['userId', 'operator', 'roles'] },
    audits: 'role-change',
  },
  credentialChecked: {
    run: (events) => events.credentialChecked({ userId, kind: 'pin', isRight: false }),
    logs: { event: 'credential.checked', level: 'warn', fields: ['userId', 'kind', 'isRight'] },
    audits: 'pin-verify',
  },
  recoveryBegun: {
    run: (events) => events.recoveryBegun({ recoveryId: 'r-1', identity: username }),
    logs: { event: 'recovery.begun', level: 'info', fields: ['recoveryId'] },
    audits: 'recovery-start',
  },
  registrationsStopped: {
    run: (events) => events.registrationsStopped({ userId, count: 2 }),
    logs: { event: 'registrations.stopped', level: 'warn', fields: ['userId', 'count'] },
    audits: 'registration-stop',
  },
  recoveryStopped: {
    run: (events) => events.recoveryStopped({ recoveryId: 'r-1', userId }),
    logs: { event: 'recovery.stopped', level: 'warn', fields: ['recoveryId', 'userId'] },
    audits: 'recovery-stop',
  },
  credentialChanged: {
    run: (events) => events.credentialChanged({ changeId: 'c-1', userId, kind: 'password', why: 'reset' }),
    logs: { event: 'credential.changed', level: 'info', fields: ['userId', 'kind', 'why'] },
    audits: 'password-reset',
  },
  dataExported: {
    run: (events) => events.dataExported({ userId, auditEvents: 'complete' }),
    logs: { event: 'data.exported', level: 'info', fields: ['userId', 'auditEvents'] },
    audits: 'data-export',
  },
  deletionChanged: {
    run: (events) => events.deletionChanged({ deletionId: 'd-1', userId, state: 'stopped' }),
    logs: { event: 'deletion.stopped', level: 'info', fields: ['deletionId', 'userId'] },
    audits: 'deletion-stop',
  },
  linkRequested: {
    run: (events) => events.linkRequested({ linkId: 'l-1' }),
    logs: { event: 'link.requested', level: 'info', fields: ['linkId'] },
    audits: 'device-link',
  },
  linkClaimed: {
    run: (events) => events.linkClaimed({ linkId: 'l-1', userId, deviceId: '1' }),
    logs: { event: 'link.claimed', level: 'info', fields: ['linkId', 'userId', 'deviceId'] },
    audits: 'device-link',
  },
  approvalRequested: {
    run: (events) => events.approvalRequested({ linkId: 'l-1', userId, registrationId }),
    logs: { event: 'approval.requested', level: 'info', fields: ['linkId', 'userId', 'registrationId'] },
    audits: 'approval-request',
  },
  linkApproved: {
    run: (events) => events.linkApproved({ linkId: 'l-1', userId, deviceId: '1', kind: 'approval' }),
    logs: { event: 'approval.approved', level: 'info', fields: ['linkId', 'userId', 'deviceId'] },
    audits: 'approval-answer',
  },
  linkDenied: {
    run: (events) => events.linkDenied({ linkId: 'l-1', userId, deviceId: '1', kind: 'link', reason: 'wrong-code' }),
    logs: { event: 'link.denied', level: 'warn', fields: ['linkId', 'userId', 'deviceId', 'reason'] },
    audits: 'device-link',
  },
  linkExpired: {
    run: (events) => events.linkExpired({ linkId: 'l-1', userId, kind: 'link' }),
    logs: { event: 'link.expired', level: 'info', fields: ['linkId', 'userId'] },
    audits: 'device-link',
  },
  accountErased: {
    run: (events) => events.accountErased({ deletionId: 'd-1' }),
    logs: { event: 'deletion.erased', level: 'info', fields: ['deletionId'] },
    audits: 'user-delete',
  },
  profileChanged: {
    run: (events) => events.profileChanged({ userId, fields: ['fullName', 'locale'] }),
    logs: { event: 'profile.changed', level: 'info', fields: ['userId', 'fields'] },
    audits: 'profile-change',
  },
  identityChanged: {
    run: (events) => events.identityChanged({ changeId: 'c-1', userId, kind: 'phone', isTaken: true }),
    logs: { event: 'identity.taken', level: 'warn', fields: ['userId', 'kind'] },
    audits: 'profile-change',
  },
  identityTransferred: {
    run: (events) => events.identityTransferred({ changeId: 'c-1', fromId: 'u-2', toId: userId, kinds: ['phone'] }),
    logs: { event: 'identity.transferred', level: 'warn', fields: ['fromId', 'toId', 'kinds'] },
    audits: 'profile-change',
  },
  identityReleased: {
    run: (events) => events.identityReleased({ changeId: 'c-1', userId, kind: 'phone', operator: 'ada' }),
    logs: { event: 'identity.released', level: 'warn', fields: ['userId', 'kind', 'operator'] },
    audits: 'profile-change',
  },
  sessionEnded: {
    run: (events) => events.sessionEnded({ sessionId: 's-1', userId: 'u-1', why: 'revoked' }),
    logs: { event: 'session.ended', level: 'info', fields: ['sessionId', 'userId', 'why'] },
    audits: 'session-revoke',
  },
  deviceAdded: {
    run: (events) => events.deviceAdded({ userId, deviceId: '2', client: 'ios', createdAt: 1, linkedBy: '1' }),
    logs: { event: 'device.added', level: 'info', fields: ['userId', 'deviceId', 'how'] },
    audits: 'device-add',
  },
  deviceRemoved: {
    run: (events) => events.deviceRemoved({ userId, deviceId: '2', removedAt: 1, why: 'revoked' }),
    logs: { event: 'device.removed', level: 'info', fields: ['userId', 'deviceId', 'why'] },
    audits: 'device-remove',
  },
  identityKeyChanged: {
    run: (events) => events.identityKeyChanged({ userId, why: 'rotated', devices: 2 }),
    logs: { event: 'identity-key.changed', level: 'warn', fields: ['userId', 'why', 'devices'] },
    audits: 'identity-change',
  },
  sessionCreated: {
    run: (events) => events.sessionCreated(sessionId, userId),
    logs: { event: 'session.created', level: 'info', fields: ['sessionId', 'userId'] },
    audits: 'session-start',
  },
  operatorLoggedIn: {
    run: (events) => events.operatorLoggedIn(false),
    logs: { event: 'codec.operator-refused', level: 'warn', fields: [] },
    audits: 'operator-login',
  },
  payloadsDecoded: {
    run: (events) => events.payloadsDecoded(3),
    logs: { event: 'codec.decoded', level: 'info', fields: ['payloads'] },
    audits: 'payload-decode',
  },
  directoryDoubted: {
    run: (events) => events.directoryDoubted({ runId: 'r-1', checked: 20, missing: 15 }),
    logs: { event: 'directory.doubted', level: 'error', fields: ['checked', 'missing'] },
    audits: 'dependency-away',
  },
  purged: {
    run: (events) => events.purged({ runId: 'run-1', claims: 2, keySets: 1 }),
    logs: { event: 'purge.done', level: 'info', fields: ['claims', 'keySets'] },
    audits: 'purge',
  },
  processStarted: { run: (events) => events.processStarted(), audits: 'process-start' },
  processStopped: { run: (events) => events.processStopped(), audits: 'process-stop' },
  keysUploaded: {
    run: (events) => events.keysUploaded({ userId, deviceId: '1' }, { preKeys: 100, pqPreKeys: 100, signedKeys: 2 }),
    logs: {
      event: 'keys.uploaded',
      level: 'info',
      fields: ['userId', 'deviceId', 'preKeys', 'pqPreKeys', 'signedKeys'],
    },
    audits: 'keys-upload',
  },
  keysFetched: {
    run: (events) => events.keysFetched({ userId, targetId: 'other', devices: 2, oneTime: 'given' }),
    logs: { event: 'keys.fetched', level: 'info', fields: ['userId', 'targetId', 'devices', 'oneTime'] },
    audits: 'keys-fetch',
  },
  keysLow: {
    run: (events) => events.keysLow({ userId, deviceId: '1', kind: 'preKeys', left: 0 }),
    logs: { event: 'keys.low', level: 'warn', fields: ['userId', 'deviceId', 'kind', 'left'] },
    audits: 'keys-low',
  },
  prefixPaused: {
    run: (events) => events.prefixPaused({ prefix: 'keyed-hash', country: 'LV', until: 1 }),
    logs: { event: 'prefix.paused', level: 'error', fields: ['country', 'until'] },
    audits: 'prefix-paused',
  },
  sendingStopped: {
    run: (events) => events.sendingStopped('cost-per-day', 1),
    logs: { event: 'sending.stopped', level: 'error', fields: ['limit', 'until'] },
    audits: 'sending-stopped',
  },
  auditDropped: {
    run: (events) => events.auditDropped(2),
    logs: { event: 'audit.dropped', level: 'error', fields: ['count'] },
  },
  auditGap: {
    run: (events) => events.auditGap(2),
    logs: { event: 'audit.gap', level: 'error', fields: ['count'] },
    audits: 'audit-gap',
  },
  auditHeartbeat: { run: (events) => events.auditHeartbeat(1), audits: 'audit-heartbeat' },
  operatorAct: {
    run: (events) => events.operatorAct({ act: 'retry-step', registrationId, number: 1, operator: 'alice' }),
    logs: { event: 'operator.acted', level: 'info', fields: ['act', 'registrationId', 'operator'] },
    audits: 'operator-act',
  },
  operatorRemovedDevice: {
    run: (events) => events.operatorRemovedDevice({ ...device, removedAt: 1, operator: 'alice' }),
    logs: { event: 'operator.acted', level: 'info', fields: ['act', 'userId', 'deviceId', 'operator'] },
    audits: 'operator-act',
  },
  userDisabled: {
    run: (events) => events.userDisabled({ userId, at: 1, operator: 'alice' }),
    logs: { event: 'user.disabled', level: 'info', fields: ['userId', 'operator'] },
    audits: 'user-disable',
  },
  userEnabled: {
    run: (events) => events.userEnabled({ userId, at: 1, operator: 'alice' }),
    logs: { event: 'user.enabled', level: 'info', fields: ['userId', 'operator'] },
    audits: 'user-enable',
  },
  messageSent: { run: (events) => events.messageSent({ type: 'message', outcome: 'stored' }) },
  messageRefused: {
    run: (events) => {
      for (let refusals = 0; refusals < 25; refusals++)
        events.messageRefused(device, { code: 'rate-limited', limit: 'messages-per-pair' });
    },
    logs: { event: 'messages.flood', level: 'warn', fields: ['userId', 'deviceId', 'reason'] },
    audits: 'message-flood',
  },
  messageDelivered: { run: (events) => events.messageDelivered(0.002) },
  inboxRead: { run: (events) => events.inboxRead(64, 'backlog') },
  messagesAcknowledged: { run: (events) => events.messagesAcknowledged(64) },
  gapTold: {
    run: (events) => events.gapTold(device, { count: 3, reason: 'expired' }),
    logs: { event: 'inbox.gap', level: 'warn', fields: ['userId', 'deviceId', 'reason', 'count'] },
    audits: 'inbox-gap',
  },
  idleDeviceWarned: {
    run: (events) => events.idleDeviceWarned({ ...device, activeAt: 5 }),
    logs: { event: 'device.idle', level: 'warn', fields: ['userId', 'deviceId'] },
    audits: 'device-idle',
  },
  deviceSuspended: {
    run: (events) => events.deviceSuspended({ ...device, reason: 'overflow' }),
    logs: { event: 'device.suspended', level: 'warn', fields: ['userId', 'deviceId', 'reason'] },
    audits: 'device-suspend',
    isDetached: true,
  },
  inboxFull: {
    run: (events) => {
      for (let refusals = 0; refusals < 3; refusals++) events.inboxFull({ userId });
    },
    logs: { event: 'inbox.full', level: 'warn', fields: ['userId'] },
    audits: 'inbox-full',
    isDetached: true,
  },
  inboxesArchived: {
    run: (events) => events.inboxesArchived({ moved: 64, expired: 1 }),
    logs: { event: 'inboxes.archived', level: 'info', fields: ['moved', 'expired'] },
  },
  archiveReturned: { run: (events) => events.archiveReturned(64) },
  durabilityChecked: {
    run: (events) => events.durabilityChecked({ setting: 'disk', reason: 'appendfsync is everysec' }),
    logs: { event: 'durability.missing', level: 'error', fields: ['setting', 'reason'] },
  },
  redisCriticized: {
    run: (events) => events.redisCriticized('stream-node-max-bytes of Redis is 4096'),
    logs: { event: 'redis.criticized', level: 'warn', fields: ['warning'] },
  },
  conversationChanged: {
    run: (events) => events.conversationChanged({ userId, peerId: to, state: 'blocked', was: 'requested' }),
    logs: { event: 'user.blocked', level: 'info', fields: ['userId'] },
    audits: 'user-block',
  },
  identityAnnounced: {
    run: (events) => events.identityAnnounced({ userId, why: 'rotated', contacts: 3, reached: 2 }),
    logs: { event: 'identity.announced', level: 'info', fields: ['userId', 'why', 'contacts', 'reached'] },
    audits: 'identity-announce',
  },
  socketsServed: { run: (events) => events.socketsServed(20_000) },
  socketOpened: { run: (events) => events.socketOpened() },
  socketClosed: { run: (events) => events.socketClosed('unacknowledged') },
  socketRefused: {
    run: (events) => {
      for (let refusals = 0; refusals < 3; refusals++) events.socketRefused({ reason: 'origin' });
    },
    logs: { event: 'socket.refused', level: 'warn', fields: ['reason'] },
    audits: 'socket-refuse',
  },
  drainBegan: {
    run: (events) => events.drainBegan({ clients: 3, seconds: 10 }),
    logs: { event: 'drain.began', level: 'info', fields: ['clients', 'seconds'] },
  },
  drainEnded: {
    run: (events) => events.drainEnded({ closed: 1 }),
    logs: { event: 'drain.ended', level: 'info', fields: ['closed'] },
  },
  socketRequestEnded: {
    run: (events) => events.socketRequestEnded({ event: 'message:send', status: 503, seconds: 0.1 }),
    audits: 'request-error',
  },
  requestFailed: {
    run: (events) => events.requestFailed(new Error('A bug')),
    logs: { event: 'request.failed', level: 'error', fields: ['err', 'msg'] },
  },
  dependencyFailed: {
    run: (events) => events.dependencyFailed(new Error('Command timed out')),
    logs: { event: 'dependency.failed', level: 'warn', fields: ['reason'] },
  },
  activityEnded: {
    run: (events) => events.activityEnded({ activity: 'sendCode', outcome: 'unavailable', seconds: 0.3 }),
  },
  providerAnswered: {
    run: (events) => events.providerAnswered({ channel: 'sms', provider: 'twilio', outcome: 'sent', seconds: 0.2 }),
  },
  codecAnswered: { run: (events) => events.codecAnswered({ path: '/decode', status: 200, seconds: 0.01 }) },
  requestBegun: { run: (events) => events.requestBegun() },
  requestEnded: {
    run: (events) => events.requestEnded({ method: 'GET', route: '/health', status: 200, seconds: 0.0123 }),
    logs: { event: 'request.ended', level: 'info', fields: ['method', 'route', 'status', 'durationMs'] },
  },
};

function recorded() {
  const written: string[] = [];
  const appended: { event: AuditEvent; options: AppendOptions }[] = [];
  const options = { base: null, formatters: { level: (level: string) => ({ level }) } };
  const log = pino(options, { write: (line: string) => void written.push(line) });
  const registry = new Registry();
  const key = new Secret(randomBytes(32).toString('base64'));
  const service = { role: 'api', version: '0.0.0', environment: 'development' } as const;
  const record = createRecorder(service, key, (event, how) => void appended.push({ event, options: how }));
  const events = createEvents(log, registry, record);
  const audited = () => appended.map(({ event }) => event);
  return { events, registry, appended, audited, lines: () => linesOf(written.join('')) };
}

const limited = { code: 'rate-limited', limit: 'code-resend', retryAfterSeconds: 9 };
const answers = [
  { status: 200, method: 'PUT', action: 'api-request', outcome: 'success' },
  { status: 400, method: 'GET', action: 'request-error', outcome: 'failure' },
  { status: 401, method: 'GET', action: 'access-denied', outcome: 'failure' },
  { status: 403, method: 'PUT', action: 'access-denied', outcome: 'failure' },
  { status: 429, method: 'POST', action: 'rate-limited', outcome: 'failure', refusal: limited },
  { status: 503, method: 'POST', action: 'request-error', outcome: 'failure' },
] as const;

describe('createEvents()', () => {
  it('logs each event by name, with ids, states and reasons and no other field', () => {
    for (const [name, { run, logs }] of Object.entries(calls)) {
      const { events, lines } = recorded();
      run(events);
      const [line] = lines();
      assert.equal(lines().length, logs === undefined ? 0 : 1, name);
      if (line === undefined || logs === undefined) continue;
      const { event, level, time: _time, ...fields } = line;
      assert.deepEqual({ event, level, fields: Object.keys(fields) }, logs, name);
    }
  });

  it('counts each event with bounded labels: no id is ever in a metric', async () => {
    const { events, registry } = recorded();
    for (const { run } of Object.values(calls)) run(events);
    events.requestEnded({ method: 'POST', route: '/x', status: 429, seconds: 0.1, refusal: limited });
    const text = await registry.metrics();
    for (const id of [registrationId, sessionId, userId, providerId, to]) assert.equal(text.includes(id), false, id);
    for (const sample of [
      'vyry_registrations_total{state="started"} 1',
      'vyry_registrations_total{state="rejected"} 1',
      'vyry_registration_steps_total{step="captcha",outcome="done"} 1',
      'vyry_registration_steps_total{step="directory",outcome="refused"} 1',
      'vyry_codes_sent_total{channel="sms",provider="twilio",country="GB",outcome="sent"} 1',
      'vyry_codes_sent_total{channel="sms",provider="twilio",country="GB",outcome="refused"} 1',
      'vyry_delivery_reports_total{channel="sms",provider="twilio",country="GB",outcome="undelivered"} 1',
      'vyry_delivery_reports_total{channel="none",provider="infobip",country="none",outcome="refused"} 1',
      'vyry_codes_checked_total{outcome="wrong"} 1',
      'vyry_notifications_total{kind="welcome",provider="smtp",outcome="sent"} 1',
      'vyry_sessions_total 1',
      'vyry_limits_hit_total{limit="code-resend"} 1',
      'vyry_wake_ups_total{provider="apns",outcome="refused"} 1',
      'vyry_dependency_outages_total{dependency="sms"} 1',
      'vyry_payloads_decoded_total 3',
      'vyry_operator_logins_total{outcome="refused"} 1',
      'vyry_activity_duration_seconds_count{activity="sendCode",outcome="unavailable"} 1',
      'vyry_code_send_duration_seconds_count{channel="sms",provider="twilio",outcome="sent"} 1',
      'vyry_codec_request_duration_seconds_count{path="/decode",status="200"} 1',
      'vyry_audit_dropped_total 2',
      'vyry_messages_sent_total{type="message",outcome="stored"} 1',
      'vyry_messages_refused_total{reason="messages-per-pair"} 25',
      'vyry_messages_delivered_total{how="backlog"} 64',
      'vyry_message_delivery_lag_seconds_bucket{le="0.0025"} 1',
      'vyry_inbox_gap_messages_total{reason="expired"} 3',
      'vyry_conversations_changed_total{state="blocked"} 1',
      'vyry_sockets_open 0',
      'vyry_sockets_refused_total{reason="origin"} 3',
      'vyry_http_request_duration_seconds_count{method="GET",route="/health",status="200"} 1',
    ]) {
      assert.ok(text.includes(`${sample}\n`), sample);
    }
  });

  it('logs durations in milliseconds', () => {
    const { events, lines } = recorded();
    calls.requestEnded.run(events);
    assert.equal(lines()[0]?.durationMs, 12);
  });

  it('writes each event to the audit log by its action, with the request it belongs to', () => {
    for (const [name, { run, audits, isDetached }] of Object.entries(calls)) {
      const { events, audited } = recorded();
      traces.run({ ...trace, userId: 'a-sender' }, () => run(events));
      assert.deepEqual(
        audited().map(({ action }) => action),
        audits === undefined ? [] : [audits],
        name,
      );
      for (const event of audited()) {
        if (isDetached) {
          assert.doesNotMatch(JSON.stringify(event), /a-sender|192\.0\.2\.7|curl|r-1/, name);
          continue;
        }
        assert.equal(event.ip, trace.ip, name);
        assert.equal(event.userAgent, trace.userAgent, name);
        assert.equal(event.trace?.id, '0af7651916cd43dd8448eb211c80319c', name);
        assert.equal(event.http?.request.id, 'r-1', name);
      }
    }
  });

  it('audits only responses that refuse, fail or change something, with the limit that refused them', () => {
    for (const { status, method, action, outcome, ...rest } of answers) {
      const { events, audited } = recorded();
      const refusal = 'refusal' in rest ? rest.refusal : undefined;
      events.requestEnded({ method, route: '/x/:id', status, seconds: 0.25, refusal });
      const [event] = audited();
      assert.deepEqual([event?.action, event?.status, event?.http?.response?.status_code], [action, outcome, status]);
      assert.equal(event?.url?.path, '/x/:id');
      assert.equal(event?.event.duration, 250_000_000);
      assert.equal(event?.rule?.name, refusal?.limit);
      assert.equal(event?.vyry.rate_limit?.retry_after_seconds, refusal?.retryAfterSeconds);
    }
  });

  it('audits of counted requests only wrong credentials and failures', () => {
    for (const [status, actions] of [
      [200, []],
      [429, []],
      [409, []],
      [401, ['access-denied']],
      [503, ['request-error']],
    ] as const) {
      const { events, audited } = recorded();
      events.requestEnded({ method: 'PUT', route: '/x', status, seconds: 0.1, isCounted: true });
      events.socketRequestEnded({ event: 'message:send', status, seconds: 0.1 });
      assert.deepEqual(
        audited().map(({ action }) => action),
        actions.flatMap((action) => [action, action]),
      );
    }
  });

  it('records who blocks whom once it changes, with a pseudonym of the other, and no other change of a conversation', () => {
    const { events, audited } = recorded();
    const change = (state: 'accepted' | 'blocked', was: 'accepted' | 'blocked' | undefined) =>
      events.conversationChanged({ userId, peerId: 'a-peer', state, was });
    change('accepted', undefined);
    change('blocked', 'accepted');
    change('blocked', 'blocked');
    change('accepted', 'blocked');
    assert.deepEqual(
      audited().map(({ action }) => action),
      ['user-block', 'user-unblock'],
    );
    assert.equal(JSON.stringify(audited()).includes('a-peer'), false);
  });

  it('contains no number, address or name in plain text, but the same pseudonym for the same person', () => {
    const { events, audited } = recorded();
    for (const { run } of Object.values(calls)) run(events);
    const text = JSON.stringify(audited());
    for (const clear of [to, to.slice(1), username]) assert.equal(text.includes(clear), false, clear);
    const [first, second] = audited().filter(({ action }) => action === 'message-send');
    assert.match(first?.user?.hash ?? '', /^[0-9a-f]{32}$/);
    assert.equal(first?.user?.hash, second?.user?.hash);
    assert.deepEqual(first?.related?.hash, [first?.user?.hash]);
    const other = recorded();
    other.events.codeSent(code, providerId);
    assert.notEqual(other.audited()[0]?.user?.hash, first?.user?.hash);
  });

  it('uses a stable id for an event that several processes may report, and a unique id for any other', () => {
    const [here, there] = [recorded(), recorded()];
    for (const { run } of Object.values(calls)) {
      run(here.events);
      run(there.events);
    }
    const ids = (scene: typeof here) => scene.appended.map(({ event, options }) => options.isOnce && event.event.id);
    assert.deepEqual(ids(here), ids(there));
    assert.ok(ids(here).filter(Boolean).length >= 8);
    const all = [...here.appended, ...there.appended].filter(({ options }) => !options.isOnce);
    assert.equal(new Set(all.map(({ event }) => event.event.id)).size, all.length);
  });

  it('writes fields and values as ECS 9.4 defines them, the documented top-level fields, and its own under vyry', () => {
    const { events, audited } = recorded();
    traces.run({ ...trace, userId, registrationId }, () => {
      for (const { run } of Object.values(calls)) run(events);
      for (const { status, method } of answers) {
        events.requestEnded({ method, route: '/x', status, seconds: 0.1, refusal: limited });
      }
    });
    const contract = ['timestamp', 'level', 'action', 'userId', 'ip', 'userAgent', 'status', 'message', 'metadata'];
    for (const event of audited()) {
      for (const [field, value] of fieldsOf(event)) {
        const [root = ''] = field.split('.');
        if (contract.includes(root) || root === 'vyry' || root === 'labels') continue;
        const known = EcsFlat[field as keyof typeof EcsFlat] as { type: string; normalize: string[] } | undefined;
        assert.ok(known, `${field} is a field of ECS`);
        assert.equal(Array.isArray(value), known.normalize.includes('array'), `${field} is an array`);
        assert.equal(known.type === 'long', typeof value === 'number', `${field} is ${known.type}`);
      }
    }
  });

  it('uses categories and types that ECS allows together, for every action', () => {
    const allowed = EcsFlat['event.category'].allowed_values;
    for (const [action, { category, type }] of Object.entries(auditActions)) {
      const kinds = category.map((name) => allowed.find((value) => value.name === name));
      for (const kind of kinds) assert.ok(kind, `${action}: ${category}`);
      const expected = kinds.flatMap((kind) => (kind?.expected_event_types ?? []) as string[]);
      for (const name of type) assert.ok(expected.includes(name), `${action}: ${name}`);
    }
  });

  it('writes only fields that the index template defines', () => {
    const { events, audited } = recorded();
    traces.run({ ...trace, userId, registrationId }, () => {
      for (const { run } of Object.values(calls)) run(events);
      for (const answer of answers) events.requestEnded({ route: '/x', seconds: 0.1, refusal: limited, ...answer });
    });
    const { properties } = auditTemplate('x', undefined).template.mappings;
    for (const event of audited()) {
      for (const [field] of fieldsOf(event)) {
        const mapped = mappingOf(properties, field.split('.'));
        assert.ok(mapped && mapped.type !== 'alias', `${field} is in the template, and no alias`);
      }
    }
  });
});

/** Returns every leaf of a document with its dotted name. */
function fieldsOf(value: object, path: string[] = []): [string, unknown][] {
  return Object.entries(value).flatMap(([name, item]) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? fieldsOf(item, [...path, name])
      : item === undefined
        ? []
        : [[[...path, name].join('.'), item] as [string, unknown]],
  );
}

function mappingOf(properties: Record<string, unknown>, [name = '', ...rest]: string[]): { type?: string } | undefined {
  const mapping = properties[name] as { type?: string; properties?: Record<string, unknown> } | undefined;
  if (rest.length === 0 || mapping?.type === 'flattened') return mapping;
  return mapping?.properties && mappingOf(mapping.properties, rest);
}
