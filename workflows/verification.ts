/**
 * Verification: one number proven by a code, with nothing else. Started by its first send.
 *
 * 1. `requestCode`: send a code by SMS or call, as often as the waits allow.
 * 2. `codeConfirmed`: the api has compared the right code; the record in Redis holds that, this notes it for operators.
 * 3. End when the session's time is over, by what was sent and, in its record, checked.
 *
 * Nothing is undone: nothing outlives a session. While a provider is away the send is parked and goes on by itself as long
 * as the session lives.
 */
import {
  allHandlersFinished,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { SendCodeInput } from '../activities/delivery.ts';
import type { VerificationActivities } from '../activities/verification.ts';
import type { WaitingFor } from '../domain/registration.ts';
import {
  type Channel,
  keepSessionUntil,
  refusalKindOf,
  refuseSend,
  type Send,
  type SessionRules,
  type SessionState,
  sessionExpiresAt,
} from '../domain/verification.ts';
import { CodeSending } from './code-sending.ts';
import { DependencyCalls } from './dependency-calls.ts';
import { refusal } from './refusals.ts';
import { localStep } from './retries.ts';
import { searchAttributesOf } from './search-attributes.ts';

export interface VerificationInput {
  sessionId: string;
  /** E.164. */
  number: string;
  country?: string | undefined;
  /** Milliseconds since the Unix epoch. */
  createdAt: number;
  rules: SessionRules;
}

/** What a person wishes of a send. */
export interface SendRequest extends Pick<SendCodeInput, 'locale' | 'client'> {
  channel: Channel;
}

/** What has become of an order. */
export interface SendAnswer {
  sends: Send[];
  /** The provider is away and the send goes on by itself: why, as a kebab-case state of affairs. */
  away?: string;
}

/** What has been sent. */
export const verificationSends = defineQuery<Send[]>('verificationSends');
/** Sends a code; answers when the provider has taken or refused it, or is away. */
export const requestSessionCode = defineUpdate<SendAnswer, [SendRequest]>('requestCode');
/** Notes that the right code was typed, at an instant. */
export const codeConfirmed = defineSignal<[{ at: number }]>('codeConfirmed');

const { publishSends, readSessionEnd } = proxyLocalActivities<VerificationActivities>(localStep);

/** Sends codes to a number until the session is over; answers whether the number was proven. */
export async function verification(input: VerificationInput): Promise<{ isVerified: boolean }> {
  const execution = new VerificationExecution(input);
  setHandler(verificationSends, () => execution.sends, { description: 'What has been sent' });
  setHandler(requestSessionCode, (request): Promise<SendAnswer> => execution.requestCode(request), {
    validator: ({ channel }) => execution.expectSendable(channel),
    description: 'Sends a code by SMS or call',
  });
  setHandler(codeConfirmed, ({ at }) => execution.confirm(at), { description: 'Notes that the right code was typed' });
  return execution.run();
}

class VerificationExecution {
  readonly #input: VerificationInput;
  readonly #dependencyCalls: DependencyCalls;
  readonly #codes: CodeSending;
  readonly #timeline: string[] = [];
  #version = 0;
  #shown: string | undefined;
  #verifiedAt: number | undefined;
  #isOver = false;

  constructor(input: VerificationInput) {
    this.#input = input;
    const { sessionId: subject, number: to, country, rules } = input;
    const execution = {
      isOver: () => this.#isOver,
      note: (text: string) => this.#note(text),
      show: () => undefined,
      announce: () => this.#announce(),
      resumed: () => undefined,
    };
    this.#dependencyCalls = new DependencyCalls(execution);
    this.#codes = new CodeSending(
      {
        ...execution,
        subject: { subject, purpose: 'verify', ttlSeconds: rules.codeTtlSeconds },
        destinationOf: () => ({ to, country }),
        isUnwanted: () => this.#isOver || this.#verifiedAt !== undefined,
        refusedState: stateOf,
      },
      this.#dependencyCalls,
    );
  }

  get sends(): Send[] {
    return this.#codes.sends;
  }

  async run(): Promise<{ isVerified: boolean }> {
    let isVerified = false;
    for (let until = this.#expiresAt(); until > Date.now(); until = this.#expiresAt()) await sleep(until - Date.now());
    for (;;) {
      const end = await readSessionEnd({ sessionId: this.#input.sessionId, rules: this.#input.rules });
      isVerified = end?.isVerified ?? false;
      if (end === null || end.expiresAt <= Date.now()) break;
      await sleep(end.expiresAt - Date.now());
    }
    this.#isOver = true;
    await condition(allHandlersFinished);
    this.#note(isVerified ? 'ended, verified' : 'ended, not verified');
    this.#show(isVerified ? 'completed' : 'expired');
    return { isVerified };
  }

  async requestCode({ channel, locale, client }: SendRequest): Promise<SendAnswer> {
    // before the first await: a second order that is handled now is refused by its validator
    const send = this.#codes.begin(channel);
    await this.#announce();
    void this.#codes
      .deliver(send, { ...(locale && { locale }), ...(client && { client }) })
      .catch(() => this.#failed(send));
    await condition(() => send.state !== 'sending' || this.#dependencyCalls.unavailable.has(channel) || this.#isOver);
    const away = send.state === 'sending' ? (this.#dependencyCalls.whyAway(channel) ?? 'unavailable') : undefined;
    return { sends: this.sends, ...(away && { away }) };
  }

  confirm(at: number): void {
    if (this.#verifiedAt !== undefined) return;
    this.#verifiedAt = at;
    this.#note('right code typed');
    this.#show('pending');
  }

  /** The api, which reads the same record, has said why before; here is decided. @throws {ApplicationFailure} rate-limited */
  expectSendable(channel: Channel): void {
    const refused = refuseSend(this.#state(), channel, this.#input.rules, Date.now());
    if (this.#isOver || refused !== undefined) throw refusal('rate-limited');
  }

  #expiresAt(): number {
    return sessionExpiresAt(this.#state(), this.#input.rules);
  }

  #state(): SessionState {
    const { createdAt } = this.#input;
    const at = this.#verifiedAt;
    return {
      createdAt,
      sends: this.sends,
      ...(at !== undefined && { checks: { since: at, checks: 1, verifiedAt: at } }),
    };
  }

  async #announce(): Promise<void> {
    const { sessionId, rules } = this.#input;
    const waitingFor = this.#waitingFor() as Channel | undefined;
    this.#show(waitingFor === undefined ? 'pending' : 'waiting');
    const published = { version: ++this.#version, sends: this.sends, ...(waitingFor && { waitingFor }) };
    await publishSends({ sessionId, published, keepUntil: keepSessionUntil(this.#state(), rules) });
  }

  /** A bug in what runs behind an order: nobody has the code, and the person may ask for another. */
  #failed(send: Send): void {
    send.state = 'rejected';
    send.reason = 'internal-error';
  }

  #waitingFor(): WaitingFor | undefined {
    return [...this.#dependencyCalls.unavailable][0];
  }

  #note(text: string): void {
    this.#timeline.push(`- ${new Date().toISOString().slice(11, 19)} ${text}`);
    setCurrentDetails(this.#timeline.join('\n'));
  }

  /** What operators filter by. */
  #show(state: 'pending' | 'waiting' | 'completed' | 'expired'): void {
    const { country } = this.#input;
    const done = new Set(this.#verifiedAt === undefined ? [] : (['code'] as const));
    const waitingFor = this.#waitingFor();
    const attributes = searchAttributesOf(
      { policy: ['code'], done, sends: this.sends, identity: { ...(country && { country }) } },
      { state, ...(waitingFor && { waitingFor }) },
    );
    const shown = JSON.stringify(attributes.map(({ value }) => value));
    if (shown !== this.#shown) upsertSearchAttributes(attributes);
    this.#shown = shown;
  }
}

/** SMS and calls that cannot reach a number are over; of what was only rejected, another may be carried. */
function stateOf(reason: string): 'refused' | 'rejected' {
  return ['unreachable', 'no-sender'].includes(refusalKindOf(reason)) ? 'refused' : 'rejected';
}
