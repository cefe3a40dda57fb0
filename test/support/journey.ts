/**
 * Registers a user as an app would: each call is made once. A call is repeated only when its connection was lost, or
 * when it is a start that was refused because Temporal was unavailable.
 *
 * The acts are those of the default policy and `signal`, in an order that their requirements allow; `device` and `signal`
 * only with a body for them.
 */
import { randomUUID } from 'node:crypto';
import type { Device } from '../../contract/devices.ts';
import {
  type Answer,
  call,
  codeFor,
  type OutboxMessage,
  type RegistrationHandle,
  registrationOf,
  solveCaptcha,
} from './client.ts';
import type { SignalBody } from './signal-registration.ts';
import { until } from './until.ts';

/** The acts of a registration, in order. */
export const acts = [
  'start',
  'directory',
  'captcha',
  'send',
  'code',
  'credentials',
  'device',
  'signal',
  'session',
] as const;
/** One act of a registration. */
export type Act = (typeof acts)[number];

/** A user `person000` to `person999` of the demo directory. */
export interface Person {
  username: string;
  password: string;
  fullName: string;
  email: string;
  phone: string;
  /** The credentials chosen for the account. */
  newPassword: string;
  pin: string;
}

/** Returns the entry of the demo directory with this number, 0 to 999. */
export function personOf(index: number): Person {
  const digits = String(index).padStart(3, '0');
  return {
    username: `person${digits}`,
    password: `person-${digits}`,
    fullName: `Person ${digits}`,
    email: `person${digits}@example.org`,
    phone: `+447700900${digits}`,
    newPassword: `orchard-${digits}-lantern-Quiver`,
    pin: `83059${digits}`,
  };
}

/** The addresses of the system to register at. */
export interface Destination {
  apiUrl: string;
  outboxUrl: string;
}

/** What a journey does beside the acts that all have. */
interface JourneyOptions {
  /** Language of messages, for its start. */
  locale?: string;
  device?: Device;
  signal?: SignalBody;
}

/** A channel that codes are sent by. */
export type Channel = 'sms' | 'voice' | 'email';

/** A registration in progress, as the device of the user sees it. */
export interface Journey {
  readonly person: Person;
  /** Set once the registration has started. */
  readonly registration: RegistrationHandle | undefined;
  /** The next act; undefined after the last. */
  readonly next: Act | undefined;
  /** The acts that were repeated: their connection was lost, or a start was refused while Temporal was unavailable. */
  readonly repeated: Act[];
  /** Returns the response of an act that was done. */
  answerOf(act: Act): Answer;
  /** Gets what the next act needs (a solved captcha, the received code), so that `act` is a single call. */
  prepare(): Promise<void>;
  /**
   * Does the next act.
   * @throws {Error} the response is not a success
   */
  act(): Promise<Answer>;
  /** Records that the next act was done in another way. */
  skip(answer: Answer): void;
  /** Does all acts up to and including this one. */
  walk(last: Act): Promise<void>;
}

/** Creates a journey before its first call; `device` and `signal` are the bodies of their steps. */
export function createJourney(
  to: Destination,
  person: Person,
  channel: Channel = 'sms',
  { device, signal, ...wishes }: JourneyOptions = {},
): Journey {
  const bodies: Partial<Record<Act, unknown>> = { device, signal };
  const own = acts.filter((act) => !(act in bodies) || bodies[act] !== undefined);
  const answers = new Map<Act, Answer>();
  const repeated: Act[] = [];
  const keys = { start: randomUUID(), send: randomUUID(), credentials: randomUUID(), session: randomUUID() };
  let registration: RegistrationHandle | undefined;
  let prepared: unknown;
  const address = channel === 'email' ? person.email : person.phone;

  const onRegistration = (method: string, path: string, body?: unknown, key?: string) => {
    if (registration === undefined) throw new Error('The registration was not started');
    // where the system is now
    return registrationOf(to.apiUrl, registration.id, registration.token).call(
      method,
      path,
      body,
      key ? { 'Idempotency-Key': key } : {},
    );
  };
  const needs: Partial<Record<Act, () => Promise<unknown>>> = {
    captcha: () => solveCaptcha(to.apiUrl),
    code: async () => ({ code: await codeFor(to.outboxUrl, address, 1) }),
  };
  const calls: Record<Act, () => Promise<Answer>> = {
    start: () =>
      call(to.apiUrl, 'POST', '/api/v1/registrations', { body: wishes, headers: { 'Idempotency-Key': keys.start } }),
    directory: () => onRegistration('PUT', '/directory', { username: person.username, password: person.password }),
    captcha: () => onRegistration('PUT', '/captcha', prepared),
    send: () => onRegistration('POST', '/codes', { channel }, keys.send),
    code: () => onRegistration('PUT', '/code', prepared),
    credentials: () =>
      onRegistration('PUT', '/credentials', { password: person.newPassword, pin: person.pin }, keys.credentials),
    device: () => onRegistration('PUT', '/device', device),
    signal: () => onRegistration('PUT', '/signal', signal),
    session: () => onRegistration('POST', '/session', undefined, keys.session),
  };

  async function callAgainIfLost(act: Act): Promise<Answer> {
    try {
      return await calls[act]();
    } catch (err) {
      // fetch throws a TypeError when there was no complete response
      if (!(err instanceof TypeError)) throw err;
      repeated.push(act);
      await untilAnswering(to.apiUrl);
      return await calls[act]();
    }
  }

  /**
   * The start and the first step, which starts the workflow, do not wait for Temporal: they are refused soon, when it is
   * away or too many people register, and may be repeated.
   */
  async function beginAgainIfRefused(act: Act, answer: Answer): Promise<Answer> {
    if (answer.status !== 503 || own.indexOf(act) > 1) return answer;
    if (act === 'start') repeated.push('start');
    let latest = answer;
    await until(async () => {
      latest = await callAgainIfLost(act);
      return latest.status !== 503;
    });
    return latest;
  }

  const journey: Journey = {
    person,
    repeated,
    get registration() {
      return registration;
    },
    get next() {
      return own[answers.size];
    },
    answerOf(act) {
      const answer = answers.get(act);
      if (answer === undefined) throw new Error(`${person.username} has not done ${act}`);
      return answer;
    },
    async prepare() {
      const act = journey.next;
      prepared ??= act && (await needs[act]?.());
    },
    async act() {
      const act = journey.next;
      if (act === undefined) throw new Error(`${person.username} has done everything`);
      await journey.prepare();
      const answer = await beginAgainIfRefused(act, await callAgainIfLost(act));
      if (answer.status >= 300) {
        throw new Error(`${person.username}: ${act}: ${answer.status} ${JSON.stringify(answer.body)}`);
      }
      prepared = undefined;
      answers.set(act, answer);
      if (act === 'start')
        registration = registrationOf(to.apiUrl, answer.body.registrationId, answer.body.registrationToken);
      return answer;
    },
    skip(answer) {
      if (journey.next !== undefined) answers.set(journey.next, answer);
      prepared = undefined;
    },
    async walk(last) {
      while (journey.next !== undefined && acts.indexOf(journey.next) <= acts.indexOf(last)) await journey.act();
    },
  };
  return journey;
}

/** Resolves when an api responds again. */
async function untilAnswering(apiUrl: string): Promise<void> {
  await until(async () => (await call(apiUrl, 'GET', '/health')).status === 200);
}

/** An e-mail in the outbox. */
export type OutboxMail = OutboxMessage & { messageId?: string };
