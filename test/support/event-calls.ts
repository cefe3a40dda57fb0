/** A call of every event, with what it logs and records. */
import type { AuditAction } from '../../domain/audit.ts';
import type { Events } from '../../platform/events/events.ts';
import type { Trace } from '../../platform/log.ts';

/** The registration of the events. */
export const registrationId = 'a11ce0000000000000000000000000ff';
/** The session of the events. */
export const sessionId = '5e55100000000000000000000000ffff';
/** The user of the events. */
export const userId = 'b0b00000000000000000000000000fff';
/** The id that the provider gave a message. */
export const providerId = 'SM0123456789';
/** The recipient, which no log and event may have. */
export const to = '+447700900101';
/** A user name, which no log and event may have. */
export const username = 'ada-canary';
const subject = { subject: registrationId, purpose: 'register' } as const;
/** A code that is sent. */
export const code = { ...subject, channel: 'sms', send: 1, provider: 'twilio', country: 'GB', to } as const;
const notification = { notificationId: 'run-1', userId, kind: 'welcome', to, provider: 'smtp' } as const;
/** The request that leads to the events. */
export const trace: Trace = {
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
export const calls: { [K in keyof Events]: Row } = {
  registrationStarted: {
    run: (events) => events.registrationStarted(registrationId),
    logs: { event: 'registration.started', level: 'info', fields: ['registrationId'] },
    audits: 'registration-start',
  },
  registrationEnded: {
    run: (events) => events.registrationEnded(registrationId, { state: 'rejected', reason: 'identity-taken' }),
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
  codeRequested: {
    run: (events) => events.codeRequested({ ...subject, channel: 'sms', send: 1 }),
    audits: 'otp-request',
  },
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
  sendFailed: {
    run: (events) =>
      events.sendFailed({ ...code, subject: registrationId, kind: 'register', reason: 'timeout', why: 'no answer' }),
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
  processStarted: {
    run: (events) => events.processStarted({ fingerprint: 'f', changed: ['OTP_TTL'] }),
    audits: 'process-start',
  },
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
