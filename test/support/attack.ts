/** An attack on a system whose events go the real way into Elasticsearch, and the alert rules replayed over what arrived. */
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

/** Addresses of documentation (RFC 5737), one for each kind of attack. */
export const attackers = {
  sprayer: '203.0.113.1',
  brute: '203.0.113.2',
  guesser: '203.0.113.3',
  pumper: '203.0.113.4',
  hammer: '203.0.113.5',
};
const honest = '198.51.100.7';

/** What attackers do. The names that they fail with are nobody’s: the directory would lock people who are there. */
export interface Attack {
  /** Tries a name each, below every limit on a name. */
  spray(): Promise<void>;
  /** Tries four names, as often as they have tries. */
  useBruteForce(): Promise<void>;
  /** Uses every try of a code. */
  guessCodes(): Promise<void>;
  /** Has thirty codes sent. */
  pumpCodes(): Promise<void>;
  /** Goes on and on after the limit has said no. */
  hammerLimits(): Promise<void>;
}

/** A system after an attack. */
export interface Attacked extends AsyncDisposable {
  events: Events;
  /** Milliseconds since the Unix epoch. */
  beganAt: number;
  /**
   * Every alert over what has arrived of the attack; a rule looks once a minute, so it may see it up to a window later. An event
   * is written after its answer: what is missing yet is there in a moment.
   */
  replay(): Promise<Firing[]>;
}

/** Starts a system and has it attacked, between two honest people who mistype once. */
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
      // silence is about a time without events, of which a test that has just started has many
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
