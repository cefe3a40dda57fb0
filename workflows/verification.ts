/**
 * Verification: proves one number by a code, without an account. The first send starts the workflow.
 *
 * 1. `requestCode`: send a code by SMS or call, as often as the waits allow.
 * 2. `codeConfirmed`: the api has compared the right code. The Redis record stores the result; the workflow records it
 *    for operators.
 * 3. End when the session expires, which depends on its sends and on the checks in its Redis record.
 *
 * There are no compensations: nothing outlives a session. While a provider is unavailable, the send waits and continues
 * automatically until the session expires.
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

/** The input of a verification. */
export interface VerificationInput {
  sessionId: string;
  /** E.164. */
  number: string;
  country?: string | undefined;
  /** Milliseconds since the Unix epoch. */
  createdAt: number;
  rules: SessionRules;
}

/** A request for a code. */
export interface SendRequest extends Pick<SendCodeInput, 'locale' | 'client'> {
  channel: Channel;
}

/** The result of a request for a code. */
export interface SendAnswer {
  sends: Send[];
  /** Kebab-case reason when the provider is unavailable; the send continues automatically. */
  away?: string;
}

/** Returns the sends so far. */
export const verificationSends = defineQuery<Send[]>('verificationSends');
/** Sends a code. Returns when the provider has accepted or refused it, or is unavailable. */
export const requestSessionCode = defineUpdate<SendAnswer, [SendRequest]>('requestCode');
/** Records when the right code was typed. `at` is in milliseconds since the Unix epoch. */
export const codeConfirmed = defineSignal<[{ at: number }]>('codeConfirmed');

const { publishSends, readSessionEnd } = proxyLocalActivities<VerificationActivities>(localStep);

/** Sends codes to a number until the session expires. Returns whether the number was proven. */
export async function verification(input: VerificationInput): Promise<{ isVerified: boolean }> {
  const execution = new VerificationExecution(input);
  setHandler(verificationSends, () => execution.sends, { description: 'Returns the sends so far' });
  setHandler(requestSessionCode, (request): Promise<SendAnswer> => execution.requestCode(request), {
    validator: ({ channel }) => execution.expectSendable(channel),
    description: 'Sends a code by SMS or call',
  });
  setHandler(codeConfirmed, ({ at }) => execution.confirm(at), {
    description: 'Records that the right code was typed',
  });
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
    // before the first await, so that the validator of a concurrent update sees this send and refuses the update
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

  /**
   * Decides whether a code may be sent. The api reads the same record before and reports the reason.
   *
   * @throws {ApplicationFailure} rate-limited
   */
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

  /** After an unexpected error no code was sent, and the user can request another. */
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

  /** Updates the search attributes that operators filter by. */
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

/** `refused` ends a channel that cannot reach the number. After `rejected`, another code may be sent by it. */
function stateOf(reason: string): 'refused' | 'rejected' {
  return ['unreachable', 'no-sender'].includes(refusalKindOf(reason)) ? 'refused' : 'rejected';
}
