/**
 * A day of audit events for tests and pictures, always the same: people who register and make mistakes, every audit
 * action, and one attack or accident for each alert, at different times.
 */
import type { AuditAction, AuditDetails, AuditEvent } from '../domain/audit.ts';
import {
  answer,
  attackers,
  countries,
  Day,
  dayMinutes,
  incidents,
  type MessageContext,
  type Person,
  robot,
} from './sample-day.ts';
import { addDevices } from './sample-devices.ts';
import { addMessages } from './sample-messages.ts';

const registrations = '/api/v1/registrations';
const one = `${registrations}/:registrationId`;

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
  addDevices(day);
  addMessages(day);
  return day.events();
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
  const byAdmin: AuditAction[] = ['role-change', 'user-disable', 'user-enable', 'user-delete', 'session-revoke'];
  const byPerson: AuditAction[] = [
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
  ];
  for (const [index, action] of byAdmin.entries()) day.add(30 + 70 * index, action, admin);
  for (const [index, action] of byPerson.entries()) day.add(60 + 55 * index, action, { person, hash: person.hash });
  for (const minute of [300, 700, 1200])
    day.add(minute, 'token-refresh', { person, status: 'failure', reason: 'token-reuse-detected' });
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
    [1300, 'ada', 'revoke-device'],
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
