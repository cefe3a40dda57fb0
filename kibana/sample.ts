/**
 * A day of audit events for tests and pictures, always the same: people who register and make mistakes, every audit
 * action, and one attack or accident for each alert, at different times.
 */
import { createHash } from 'node:crypto';
import {
  type AuditAction,
  type AuditDetails,
  type AuditEvent,
  type AuditStatus,
  auditActions,
} from '../domain/audit.ts';
import type { Range } from './events.ts';

/** The day of the sample, which spans two daily indices. */
export const sampleDay: Range = { from: '2026-03-02T12:00:00.000Z', to: '2026-03-03T12:00:00.000Z' };

/** The incident of each alert, by the name of the alert: its first and last minute since the start of the day. */
export const incidents = {
  'Gap in the audit log': { from: 95, to: 96 },
  'Guessing of codes': { from: 180, to: 190 },
  'Many wrong passwords for one name': { from: 250, to: 262 },
  'Failed log-ins of operators': { from: 330, to: 336 },
  'Burst of lock-outs': { from: 400, to: 412 },
  'Burst of refusals by limits': { from: 520, to: 528 },
  'Pumping of codes from one address': { from: 640, to: 649 },
  'The audit log is silent': { from: 790, to: 803 },
  'Brute force from one address': { from: 905, to: 909 },
  'Password spraying from one address': { from: 1010, to: 1019 },
  'A dependency stays unavailable': { from: 1130, to: 1150 },
  'Requests fail (5xx)': { from: 1132, to: 1136 },
} as const;

/** The source address of each attack. */
export const attackers = {
  bruteForce: '198.51.100.23',
  spraying: '198.51.100.66',
  pumping: '203.0.113.99',
  limits: '203.0.113.7',
  guessing: '192.0.2.44',
};

const minuteMs = 60_000;
const dayMinutes = 1440;
const agents = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64)',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 19_3)',
  'Vyry/0.1.0 (desktop)',
];
const robot = 'python-requests/2.32';
const countries = ['GB', 'GB', 'GB', 'DE', 'IN', 'US'];
const registrations = '/api/v1/registrations';
const one = `${registrations}/:registrationId`;

/** A person and their address. */
interface Person {
  /** Set when the account exists. */
  userId?: string;
  hash: string;
  ip: string;
  agent: string;
  country: string;
}

/** The fields of an event besides its action and time. */
interface MessageContext {
  status?: AuditStatus;
  reason?: string;
  hash?: string;
  userId?: string;
  targetId?: string;
  role?: string;
  person?: Person;
  http?: { method: string; path: string; status: number; ms: number; code?: string; rule?: string };
  details?: AuditDetails;
}

/** Returns the events of the day, in the order of their time. */
export function sampleEvents(): AuditEvent[] {
  const day = new Day();
  addOrdinaryLife(day);
  addRareActions(day);
  addGuessing(day);
  addFloods(day);
  addOutage(day);
  addOperators(day);
  addAuditLogItself(day);
  addReports(day);
  return day.events();
}

/** Collects events and generates their values from a fixed seed. */
class Day {
  readonly #events: AuditEvent[] = [];
  readonly #begin = Date.parse(sampleDay.from);
  #seed = 20_260_302;

  /**
   * Returns a number from 0 to below 1 (mulberry32,
   * https://gist.github.com/tommyettinger/46a874533244883189143505d203312c).
   */
  random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  pick<T>(list: readonly [T, ...T[]] | readonly T[]): T {
    return list[Math.floor(this.random() * list.length)] as T;
  }

  id(length = 32): string {
    return createHash('sha256').update(String(this.random())).digest('hex').slice(0, length);
  }

  person(ip = `10.${this.#byte()}.${this.#byte()}.${this.#byte()}`, agent = this.pick(agents)): Person {
    return { hash: this.id(), ip, agent, country: this.pick(countries) };
  }

  add(minute: number, action: AuditAction, facts: MessageContext = {}): void {
    const time = new Date(this.#begin + Math.round(minute * minuteMs)).toISOString();
    this.#events.push({
      ...this.#whatHappened(time, action, facts),
      ...whom(facts),
      ...this.#request(facts),
      vyry: facts.details ?? {},
    });
  }

  /** Returns the events, without those during the silence, in the order of the audit log. */
  events(): AuditEvent[] {
    const { from, to } = incidents['The audit log is silent'];
    const minuteOf = ({ timestamp }: AuditEvent) => (Date.parse(timestamp) - this.#begin) / minuteMs;
    const kept = this.#events.filter(
      (event) => minuteOf(event) < dayMinutes && (minuteOf(event) < from || minuteOf(event) >= to),
    );
    kept.sort((a, b) => a.timestamp.localeCompare(b.timestamp));
    return kept.map((event, index) => {
      const integrity = { mac: this.id(43), sequence: index + 1, chain: this.id(40) };
      return { ...event, vyry: { ...event.vyry, audit: { ...event.vyry.audit, ...integrity } } };
    });
  }

  #whatHappened(time: string, action: AuditAction, { status = 'success', reason, role = 'api', http }: MessageContext) {
    const { category, type, about } = auditActions[action];
    const level: AuditEvent['level'] = http && http.status >= 500 ? 'error' : status === 'failure' ? 'warn' : 'info';
    return {
      '@timestamp': time,
      timestamp: time,
      level,
      action,
      status,
      message: about,
      metadata: {},
      ecs: { version: '9.4.0' },
      event: {
        id: this.id(),
        kind: 'event' as const,
        category,
        type,
        dataset: 'vyry.audit',
        module: 'vyry',
        ...(reason !== undefined && { reason }),
        ...(http && { duration: Math.round(http.ms * 1e6) }),
      },
      service: { name: 'vyry', version: '0.1.0', environment: 'production', node: { name: `${role}@1`, role } },
      labels: { hash_kid: 'sample' },
    };
  }

  #request({ person, http }: MessageContext) {
    if (person === undefined) return {};
    const { method, path, status, code, rule } = http ?? {};
    return {
      ip: person.ip,
      userAgent: person.agent,
      trace: { id: this.id() },
      http: {
        request: { id: this.id(16), ...(method && { method }) },
        ...(status && { response: { status_code: status } }),
      },
      ...(path && { url: { path } }),
      ...(code && { error: { code } }),
      ...(rule && { rule: { name: rule } }),
    };
  }

  #byte(): number {
    return Math.floor(this.random() * 256);
  }
}

function whom({ person, hash, userId = person?.userId, targetId }: MessageContext) {
  const users = [userId, targetId].filter((id) => id !== undefined);
  return {
    ...(userId && { userId }),
    ...((hash ?? targetId) && { user: { ...(hash && { hash }), ...(targetId && { target: { id: targetId } }) } }),
    related: {
      ...(person && { ip: [person.ip] }),
      ...(users.length > 0 && { user: users }),
      ...(hash && { hash: [hash] }),
    },
  };
}

/** Returns the HTTP fields of an answered request. */
function answer(
  day: Day,
  method: string,
  path: string,
  status: number,
  code?: string,
): NonNullable<MessageContext['http']> {
  return { method, path, status, ms: 8 + 180 * day.random() ** 4, ...(code && { code }) };
}

/** Adds people who register throughout the day. */
function addOrdinaryLife(day: Day): void {
  for (let index = 0; index < 150; index++) {
    const rhythm = (index / 150) * dayMinutes;
    register(day, rhythm + 8 * day.random(), day.person());
  }
  for (let index = 0; index < 60; index++) {
    const person = day.person();
    const facts = { status: 'failure' as const, person };
    const [status, code] = day.pick([
      [404, 'not-found'],
      [409, 'step-blocked'],
      [400, 'malformed'],
      [400, 'password-weak'],
    ] as const);
    const http = answer(day, 'PUT', `${one}/credentials`, status, code);
    day.add(day.random() * dayMinutes, 'request-error', { ...facts, reason: code, http });
  }
  for (let index = 0; index < 40; index++) {
    const http = answer(day, 'GET', '/api/v1/users/me', 401, 'unauthenticated');
    const facts = { status: 'failure' as const, reason: 'unauthenticated', person: day.person(), http };
    day.add(day.random() * dayMinutes, 'access-denied', facts);
  }
}

/** Adds one registration; some people mistype, give up or are too late. */
function register(day: Day, begin: number, person: Person): void {
  const registration = { id: day.id(26) };
  let minute = begin;
  const next = () => {
    minute += 0.2 + day.random() / 2;
    return minute;
  };
  const act = (action: AuditAction, facts: MessageContext = {}) =>
    day.add(next(), action, { person, ...facts, details: { registration, ...facts.details } });
  const at = (name: string) => ({ registration: { ...registration, step: name } });
  const step = (name: string) => act('registration-step', { role: 'registration', details: at(name) });
  const done = (method: string, path: string, status = 200) =>
    act('api-request', { http: answer(day, method, path, status) });

  act('registration-start', { details: { registration: { ...registration, state: 'pending' } } });
  done('POST', registrations, 201);
  const directory = { role: 'directory', hash: person.hash };
  if (day.random() < 0.15) wrongPassword(day, act, { ...directory, details: at('directory') });
  act('ldap-login', { ...directory, details: at('directory') });
  step('directory');
  done('PUT', `${one}/directory`);
  if (day.random() < 0.06)
    act('captcha-verify', {
      status: 'failure',
      reason: day.pick(['score-too-low', 'expired']),
      details: at('captcha'),
    });
  step('captcha');
  done('PUT', `${one}/captcha`);
  prove(day, act, person, at('code'));
  step('code');
  finish(day, act, person, at('credentials'));
}

type Act = (action: AuditAction, facts?: MessageContext) => void;

function wrongPassword(day: Day, act: Act, directory: MessageContext): void {
  const reason = day.pick(['wrong-password', 'wrong-password', 'wrong-password', 'unknown', 'expired', 'disabled']);
  act('ldap-login', { ...directory, status: 'failure', reason });
  const http = answer(day, 'PUT', `${one}/directory`, 401, 'credentials-wrong');
  act('access-denied', { status: 'failure', reason: 'credentials-wrong', http });
}

/** Adds the request for a code, its sending and its check. */
function prove(day: Day, act: Act, person: Person, at: AuditDetails): void {
  const channel = day.random() < 0.7 ? 'sms' : 'email';
  const provider = channel === 'sms' ? 'twilio' : 'smtp';
  const country = channel === 'sms' ? { country: person.country } : {};
  const sends = day.random() < 0.12 ? 2 : 1;
  for (let send = 1; send <= sends; send++) {
    const otp = { channel, purpose: 'register', send };
    act('otp-request', { details: { otp } });
    act('api-request', { http: answer(day, 'POST', `${one}/codes`, 202) });
    const isRefused = day.random() < 0.04;
    act('message-send', {
      role: 'delivery',
      hash: person.hash,
      ...(isRefused && { status: 'failure', reason: channel === 'sms' ? 'landline' : 'address-refused' }),
      details: { otp, messaging: { provider, ...country, ...(!isRefused && { id: day.id(34) }) } },
    });
  }
  const isClumsy = day.random() < 0.2;
  if (isClumsy) {
    const reason = day.pick(['otp-mismatch', 'otp-mismatch', 'otp-expired', 'otp-not-sent', 'otp-already-used']);
    act('otp-verify', {
      status: 'failure',
      reason,
      details: { ...at, otp: { purpose: 'register', attempts_left: 4 } },
    });
    act('request-error', {
      status: 'failure',
      reason: 'code-wrong',
      http: answer(day, 'PUT', `${one}/code`, 400, 'code-wrong'),
    });
  }
  act('otp-verify', { details: { ...at, otp: { purpose: 'register', attempts_left: isClumsy ? 4 : 5 } } });
}

function finish(
  day: Day,
  act: Act,
  person: Person,
  { registration }: { registration: { id: string; step: string } },
): void {
  const fate = day.random();
  const [state, reason] =
    fate < 0.05 ? ['expired', 'expired'] : fate < 0.09 ? ['cancelled', 'cancelled'] : ['rejected', 'identity-taken'];
  const role = 'registration';
  if (fate < 0.12) {
    act('user-register', {
      role,
      status: 'failure',
      reason,
      details: { registration: { id: registration.id, state } },
    });
    return;
  }
  const userId = day.id(24);
  act('registration-step', { role, details: { registration } });
  act('user-register', { role, userId, details: { registration: { id: registration.id, state: 'completed' } } });
  act('api-request', { http: answer(day, 'PUT', `${one}/credentials`, 200) });
  act('session-start', { userId });
  if (day.random() < 0.5) act('token-refresh', { userId });
  if (day.random() < 0.3) act('logout', { userId });
  person.userId = userId;
}

/**
 * Adds rare actions, and actions of features that do not exist yet, once or a few times each, so that no panel is
 * empty.
 */
function addRareActions(day: Day): void {
  const person: Person = { ...day.person(), userId: day.id(24) };
  const admin = { person: { ...day.person(), userId: day.id(24) }, targetId: person.userId ?? '' };
  const byAdmin: AuditAction[] = [
    'role-change',
    'user-disable',
    'user-enable',
    'user-delete',
    'account-unlocked',
    'session-revoke',
  ];
  const byPerson: AuditAction[] = [
    ...([
      'login',
      'pin-verify',
      'password-verify',
      'pin-change',
      'password-change',
      'password-reset',
      'recovery-start',
      'recovery-stop',
      'registration-stop',
      'profile-change',
      'data-export',
      'deletion-start',
      'deletion-stop',
      'captcha-verify',
      'delivery-report',
      'notification-send',
    ] as const),
    ...([
      'device-link',
      'device-add',
      'device-remove',
      'identity-change',
      'keys-upload',
      'keys-fetch',
      'keys-low',
      'approval-request',
      'approval-answer',
      'push-change',
      'wake-up-send',
    ] as const),
  ];
  for (const [index, action] of byAdmin.entries()) day.add(30 + 70 * index, action, admin);
  for (const [index, action] of byPerson.entries()) day.add(60 + 55 * index, action, { person, hash: person.hash });
  for (const minute of [300, 700, 1200])
    day.add(minute, 'token-refresh', { person, status: 'failure', reason: 'token-reuse-detected' });
  day.add(55, 'account-locked', { person, targetId: person.userId ?? '' });
}

/** Adds delivery reports: most messages arrive, and one network delivers few of Infobip's. */
function addReports(day: Day): void {
  for (let index = 0; index < 120; index++) {
    const provider = index % 4 === 0 ? 'infobip' : 'twilio';
    const country = day.pick(countries);
    const isLost = day.random() < (provider === 'infobip' && country === 'IN' ? 0.5 : 0.04);
    const reason = day.pick(['undelivered', 'undelivered', 'failed']);
    const otp = { channel: 'sms', purpose: 'register', send: 1 };
    day.add(5 + 11.9 * index, 'delivery-report', {
      ...(isLost && { status: 'failure', reason }),
      details: { otp, messaging: { provider, country } },
    });
  }
}

/** Adds the guessing of passwords and codes, each below the thresholds of the other rules. */
function addGuessing(day: Day): void {
  const wrong = (minute: number, person: Person, reason = 'wrong-password') =>
    day.add(minute, 'ldap-login', { status: 'failure', reason, role: 'directory', person, hash: person.hash });

  const brute = incidents['Brute force from one address'];
  const names = Array.from({ length: 7 }, () => day.person(attackers.bruteForce, robot));
  for (let index = 0; index < 26; index++) wrong(brute.from + (index / 26) * 4, names[index % 7] as Person);

  const spray = incidents['Password spraying from one address'];
  for (let index = 0; index < 14; index++)
    wrong(spray.from + index * 0.6, day.person(attackers.spraying, robot), index % 3 ? 'wrong-password' : 'unknown');

  const { from } = incidents['Many wrong passwords for one name'];
  const victim = day.person();
  for (let index = 0; index < 5; index++) wrong(from + index * 2.4, { ...victim, ip: `192.0.2.${10 + index}` });

  const lockOuts = incidents['Burst of lock-outs'];
  for (const at of [0, 4, 8, 11]) wrong(lockOuts.from + at, day.person(), 'locked');

  const codes = incidents['Guessing of codes'];
  const registration = { id: day.id(26), step: 'code' };
  const person = day.person(attackers.guessing, robot);
  for (let left = 4; left >= 0; left--) {
    const reason = left === 0 ? 'otp-max-attempts' : 'otp-mismatch';
    const details = { registration, otp: { purpose: 'register', attempts_left: left } };
    day.add(codes.from + (4 - left) * 2, 'otp-verify', { status: 'failure', reason, person, details });
  }
}

/** Adds many requests for codes, and many requests that a limit refuses. */
function addFloods(day: Day): void {
  const pumping = incidents['Pumping of codes from one address'];
  for (let index = 0; index < 36; index++) {
    const person = { ...day.person(attackers.pumping, robot), country: day.pick(['LV', 'TJ']) };
    const minute = pumping.from + index * 0.24;
    const otp = { channel: 'sms', purpose: 'register', send: 1 };
    const details = { registration: { id: day.id(26) }, otp };
    day.add(minute, 'registration-start', { person, details: { registration: details.registration } });
    day.add(minute + 0.1, 'otp-request', { person, details });
    const messaging = { provider: 'twilio', country: person.country, id: day.id(34) };
    day.add(minute + 0.12, 'message-send', {
      person,
      hash: person.hash,
      role: 'delivery',
      details: { ...details, messaging },
    });
  }
  const limited = (minute: number, person: Person, rule: string) =>
    day.add(minute, 'rate-limited', {
      status: 'failure',
      reason: 'rate-limited',
      person,
      http: { ...answer(day, 'PUT', `${one}/directory`, 429, 'rate-limited'), rule },
      details: { rate_limit: { retry_after_seconds: 300 } },
    });
  for (let index = 0; index < 25; index++)
    limited(day.random() * dayMinutes, day.person(), day.pick(['code-resend', 'directory-tries']));
  const burst = incidents['Burst of refusals by limits'];
  const client = day.person(attackers.limits, robot);
  for (let index = 0; index < 58; index++) limited(burst.from + index * 0.14, client, 'directory-tries');
}

/** Adds an outage of the directory with failing requests and, earlier, a short outage of a provider. */
function addOutage(day: Day): void {
  const away = (minute: number, name: string) =>
    day.add(minute, 'dependency-away', {
      status: 'failure',
      reason: 'unavailable',
      role: 'directory',
      details: { dependency: { name } },
    });
  const outage = incidents['A dependency stays unavailable'];
  for (let minute = outage.from; minute < outage.to; minute += 1.5) away(minute, 'directory');
  for (const second of [0, 1, 2, 3]) away(600 + second / 60, 'sms');

  const failing = incidents['Requests fail (5xx)'];
  const fail = (minute: number, status: number, code: string) => {
    const http = { ...answer(day, 'PUT', `${one}/directory`, status, code), ms: 2000 + 1000 * day.random() };
    day.add(minute, 'request-error', { status: 'failure', reason: code, person: day.person(), http });
  };
  for (let index = 0; index < 24; index++)
    fail(failing.from + index * 0.16, 503, index % 4 ? 'directory-unavailable' : 'unavailable');
  for (const minute of [111, 444, 888]) fail(minute, 500, 'internal-error');
}

/** Adds actions of operators, and three wrong passwords in a row. */
function addOperators(day: Day): void {
  const act = (minute: number, name: string, kind: string) =>
    day.add(minute, 'operator-act', { details: { operator: { name, act: kind }, registration: { id: day.id(26) } } });
  const acts: [number, string, string][] = [
    [140, 'ada', 'retry-step'],
    [480, 'ada', 'switch-channel'],
    [1140, 'grace', 'retry-step'],
    [1160, 'grace', 'cancel'],
  ];
  for (const [minute, name, kind] of acts) act(minute, name, kind);
  for (const minute of [141, 481, 1141]) {
    day.add(minute - 3, 'operator-login', { person: day.person('10.0.0.5') });
    day.add(minute, 'payload-decode', { details: { operator: { name: 'ada', act: 'decode' } } });
  }
  const wrong = incidents['Failed log-ins of operators'];
  for (const minute of [wrong.from, wrong.from + 2, wrong.from + 5, 1139]) {
    day.add(minute, 'operator-login', {
      status: 'failure',
      reason: 'credentials-wrong',
      person: day.person('10.0.0.77'),
    });
  }
}

/** Adds the heartbeat of every minute, a gap, and a deployment. */
function addAuditLogItself(day: Day): void {
  for (let minute = 0; minute < dayMinutes; minute++) day.add(minute + 0.01, 'audit-heartbeat', { role: 'audit' });
  const gap = incidents['Gap in the audit log'];
  day.add(gap.from, 'audit-gap', {
    status: 'failure',
    reason: 'stream-full',
    role: 'audit',
    details: { audit: { dropped: 128 } },
  });
  day.add(180, 'purge', { role: 'registration' });
  const paused = { status: 'failure', reason: 'unproven-sends-per-prefix' } as const;
  day.add(905, 'prefix-paused', { ...paused, details: { messaging: { country: 'LV' } } });
  day.add(906, 'sending-stopped', { status: 'failure', reason: 'cost-per-day' });
  for (const [index, role] of ['api', 'registration', 'directory', 'delivery', 'audit'].entries()) {
    day.add(600 + index, 'process-stop', { role });
    day.add(600.5 + index, 'process-start', { role });
  }
}
