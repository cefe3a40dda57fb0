/** The sample day: its incidents, and the collector of its events. `sample.ts` says what happens on it. */
import { createHash } from 'node:crypto';
import {
  type AddressOrigin,
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
  'A new device was denied and reported': { from: 1290, to: 1293 },
  'Flood of messages from one device': { from: 1200, to: 1209 },
  'A sender whom many people block': { from: 1340, to: 1364 },
} as const;

/** The source address of each attack. */
export const attackers = {
  bruteForce: '198.51.100.23',
  spraying: '198.51.100.66',
  pumping: '203.0.113.99',
  limits: '203.0.113.7',
  guessing: '192.0.2.44',
  linking: '192.0.2.99',
  connections: '198.51.100.120',
  messages: '203.0.113.160',
};

/** Places and networks of the addresses of the sample: those of people by their second byte, attackers abroad. */
const origins: readonly AddressOrigin[] = [
  { geo: place('GB', 'United Kingdom', 'London', 51.5, -0.12), as: network(64496, 'Example Broadband') },
  { geo: place('DE', 'Germany', 'Berlin', 52.52, 13.4), as: network(64497, 'Example Mobile') },
  { geo: place('IN', 'India', 'Pune', 18.52, 73.86), as: network(64498, 'Example Fibre') },
];
const abroad: AddressOrigin = {
  geo: place('LV', 'Latvia', 'Riga', 56.95, 24.1),
  as: network(64511, 'Example Hosting'),
};

/** Returns where an address of the sample is. */
export function sampleOrigin(address: string): AddressOrigin {
  if (!address.startsWith('10.')) return abroad;
  return origins[Number(address.split('.')[1]) % origins.length] ?? {};
}

function place(
  code: string,
  country: string,
  city: string,
  lat: number,
  lon: number,
): NonNullable<AddressOrigin['geo']> {
  return { country_iso_code: code, country_name: country, city_name: city, location: { lat, lon } };
}

function network(number: number, name: string): NonNullable<AddressOrigin['as']> {
  return { number, organization: { name } };
}

const minuteMs = 60_000;
/** Minutes of the day. */
export const dayMinutes = 1440;
const agents = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64)',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 19_3)',
  'Vyry/0.1.0 (desktop)',
];
/** The user agent of attackers. */
export const robot = 'python-requests/2.32';
/** The countries of numbers, by how often they occur. */
export const countries = ['GB', 'GB', 'GB', 'DE', 'IN', 'US'];

/** A person and their address. */
export interface Person {
  /** Set when the account exists. */
  userId?: string;
  hash: string;
  ip: string;
  agent: string;
  country: string;
}

/** The fields of an event besides its action and time. */
export interface MessageContext {
  status?: AuditStatus;
  reason?: string;
  hash?: string;
  userId?: string;
  targetId?: string;
  role?: string;
  person?: Person;
  http?: { method: string; path: string; status: number; ms: number; code?: string; rule?: string };
  /** The limit, where there is no request. */
  rule?: string;
  details?: AuditDetails;
}

/** Collects events and generates their values from a fixed seed. */
export class Day {
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

  #request({ person, http, rule: limit }: MessageContext) {
    if (person === undefined) return {};
    const { method, path, status, code, rule = limit } = http ?? {};
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
export function answer(
  day: Day,
  method: string,
  path: string,
  status: number,
  code?: string,
): NonNullable<MessageContext['http']> {
  return { method, path, status, ms: 8 + 180 * day.random() ** 4, ...(code && { code }) };
}
