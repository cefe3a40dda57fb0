/**
 * Attacks a system whose events reach Elasticsearch through the audit worker, and replays the alert rules over them.
 */
import { connectElastic } from '../../adapters/elastic/connect.ts';
import type { System } from '../../engines/system.ts';
import { alerts } from '../../kibana/alerts.ts';
import { type Events, openEvents } from '../../kibana/events.ts';
import { type Firing, firings } from '../../kibana/firings.ts';
import { messagesTo, type RegistrationHandle, solveCaptcha, startRegistration } from './client.ts';
import { uniqueName } from './redis.ts';
import { must, phoneOf, wrongCode } from './registrations.ts';
import { connectStores } from './stores.ts';
import { startTestSystem } from './system.ts';
import { until } from './until.ts';

const minuteMs = 60_000;

/** Documentation addresses (RFC 5737), one for each kind of attack. */
export const attackers = {
  sprayer: '203.0.113.1',
  brute: '203.0.113.2',
  guesser: '203.0.113.3',
  pumper: '203.0.113.4',
  hammer: '203.0.113.5',
};
const honest = '198.51.100.7';

/** The attacks. The names whose log-in fails do not exist, because the directory would lock existing entries. */
export interface Attack {
  /** Tries one password for many names, below every limit per name. */
  spray(): Promise<void>;
  /** Tries four names, with all attempts each of them allows. */
  useBruteForce(): Promise<void>;
  /** Uses all attempts of a code. */
  guessCodes(): Promise<void>;
  /** Requests thirty codes. */
  pumpCodes(): Promise<void>;
  /** Continues long after the limit has refused. */
  hammerLimits(): Promise<void>;
}

/** A system after an attack. */
export interface Attacked extends AsyncDisposable {
  events: Events;
  /** Milliseconds since the Unix epoch. */
  beganAt: number;
  /**
   * Runs every alert over the events of the attack that have arrived. A rule runs once a minute, so it may see an event
   * up to one window later. An event is written after its response: one that is still missing arrives a moment later.
   */
  replay(): Promise<Firing[]>;
}

/** Starts a system and attacks it, between the registrations of two honest users who each mistype once. */
export async function attackSystem(attack: (acts: Attack) => Promise<unknown>): Promise<Attacked> {
  const beganAt = Date.now();
  const system = await startTestSystem({
    elasticsearch: true,
    env: { CAPTCHA_COST: '2', TRUST_PROXY: '127.0.0.1' },
  });
  const { ELASTICSEARCH_URL: elasticsearchUrl = '', AUDIT_INDEX: prefix } = system.processes.env('audit');
  const elastic = connectElastic({ url: elasticsearchUrl });
  const stores = await connectStores(system);
  const close = async () => {
    await stores[Symbol.asyncDispose]();
    await elastic.close();
    await system.stop();
  };
  try {
    const acts = actsOn(system);
    await acts.register(730);
    await attack(acts);
    await acts.register(731);
  } catch (err) {
    await close();
    throw err;
  }
  const events = openEvents(elastic, `${prefix}-*`);
  const range = [beganAt - 20 * minuteMs, Date.now() + 20 * minuteMs].map((at) => new Date(at).toISOString());
  const [from = '', to = ''] = range;
  return {
    events,
    beganAt,
    async replay() {
      await until(async () => (await stores.redis.xlen('audit')) === 0);
      await elastic.indices.refresh({ index: `${prefix}-*` });
      // these alerts are about missing events, and a test that has just started has many gaps
      const rules = alerts.filter(({ threshold }) => threshold > 0);
      return (await Promise.all(rules.map((alert) => firings(alert, events.search, from, to)))).flat();
    },
    [Symbol.asyncDispose]: close,
  };
}

function actsOn({ ready: { apiUrl: url, outboxUrl } }: System): Attack & { register(person: number): Promise<void> } {
  const from = (address: string) => ({ 'X-Forwarded-For': address });
  const tryPassword = (registration: RegistrationHandle, username: string, password: string, address: string) =>
    registration.call('PUT', '/directory', { username, password }, from(address));

  async function flowWithSend(person: number, address: string): Promise<RegistrationHandle> {
    const registration = await startRegistration(url, {}, from(address));
    const name = String(person).padStart(3, '0');
    await must(tryPassword(registration, `person${name}`, `person-${name}`, address));
    await must(registration.call('PUT', '/captcha', await solveCaptcha(url), from(address)));
    await must(registration.call('POST', '/codes', { channel: 'sms' }, from(address)), 202);
    return registration;
  }

  async function codeOf(person: number): Promise<string> {
    await until(async () => (await messagesTo(outboxUrl, phoneOf(person))).length > 0);
    return (await messagesTo(outboxUrl, phoneOf(person)))[0]?.code ?? '';
  }

  return {
    async spray() {
      for (let victim = 0; victim < 12; victim++) {
        const registration = await startRegistration(url, {}, from(attackers.sprayer));
        await must(tryPassword(registration, uniqueName('sprayed'), 'Spring-2026!', attackers.sprayer), 401);
      }
    },
    async useBruteForce() {
      for (let victim = 0; victim < 4; victim++) {
        const [registration, name] = [await startRegistration(url, {}, from(attackers.brute)), uniqueName('guessed')];
        for (let turn = 0; turn < 5; turn++) {
          await must(tryPassword(registration, name, `Guess-${turn}!`, attackers.brute), 401);
        }
      }
    },
    async guessCodes() {
      const registration = await flowWithSend(732, attackers.guesser);
      const code = await codeOf(732);
      for (let turn = 1; turn <= 5; turn++) {
        await must(registration.call('PUT', '/code', { code: wrongCode(code, turn) }, from(attackers.guesser)), 400);
      }
    },
    async pumpCodes() {
      for (let person = 770; person < 800; person++) await flowWithSend(person, attackers.pumper);
    },
    async hammerLimits() {
      const [registration, name] = [await startRegistration(url, {}, from(attackers.hammer)), uniqueName('hammered')];
      for (let turn = 0; turn < 5; turn++) await tryPassword(registration, name, `Guess-${turn}!`, attackers.hammer);
      for (let turn = 0; turn < 50; turn++)
        await must(tryPassword(registration, name, 'Guess!', attackers.hammer), 429);
    },
    async register(person) {
      const mistyped = await startRegistration(url, {}, from(honest));
      await must(tryPassword(mistyped, `person${person}`, 'mistyped', honest), 401);
      const registration = await flowWithSend(person, honest);
      await must(registration.call('PUT', '/code', { code: await codeOf(person) }, from(honest)));
      await must(registration.call('PUT', '/credentials', { password: 'plum-otter-cello-73' }, from(honest)));
    },
  };
}
