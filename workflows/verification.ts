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
import type { SearchAttributeUpdatePair } from '@temporalio/common';
import {
  allHandlersFinished,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  proxyLocalActivities,
  setHandler,
  sleep,
} from '@temporalio/workflow';
import type { SendCodeInput } from '../activities/code-sending.ts';
import type { VerificationActivities } from '../activities/verification.ts';
import {
  type Channel,
  keepSessionUntil,
  refusedStateOf,
  refuseSessionCode,
  type Send,
  sessionExpiresAt,
  type VerificationSessionRules,
  type VerificationSessionState,
} from '../domain/verification.ts';
import { CodeSending } from './code-sending.ts';
import { Flow } from './flow.ts';
import { throwIfRefused } from './refusals.ts';
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
  rules: VerificationSessionRules;
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
const verificationSends = defineQuery<Send[]>('verificationSends');
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
    validator: ({ channel }) => throwIfRefused(refuseSessionCode(execution.state(), channel, input.rules, Date.now())),
    description: 'Sends a code by SMS or call',
  });
  setHandler(codeConfirmed, ({ at }) => execution.confirm(at), {
    description: 'Records that the right code was typed',
  });
  return execution.run();
}

class VerificationExecution {
  readonly #input: VerificationInput;
  readonly #flow: Flow;
  readonly #codes: CodeSending;
  #version = 0;
  #verifiedAt: number | undefined;
  #isOver = false;
  #outcome: 'completed' | 'expired' | undefined;

  constructor(input: VerificationInput) {
    this.#input = input;
    const { sessionId: subject, number: to, country, rules } = input;
    this.#flow = new Flow({
      isOver: () => this.#isOver,
      searchAttributes: () => this.#searchAttributes(),
      publish: () => this.#publish(),
    });
    this.#codes = new CodeSending(this.#flow, {
      subject: { subject, purpose: 'verify', ttlSeconds: rules.codeTtlSeconds },
      destinationOf: () => ({ to, country }),
      isUnwanted: () => this.#isOver || this.#verifiedAt !== undefined,
      refusedState: refusedStateOf,
    });
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
    this.#outcome = isVerified ? 'completed' : 'expired';
    this.#flow.note(isVerified ? 'ended, verified' : 'ended, not verified');
    this.#flow.upsert();
    return { isVerified };
  }

  async requestCode({ channel, locale, client }: SendRequest): Promise<SendAnswer> {
    // before the first await, so that the validator of a concurrent update sees this send and refuses the update
    const send = this.#codes.begin(channel);
    await this.#flow.announce();
    void this.#codes
      .deliver(send, { ...(locale && { locale }), ...(client && { client }) })
      .catch(() => this.#failed(send));
    await condition(() => send.state !== 'sending' || this.#flow.calls.unavailable.has(channel) || this.#isOver);
    const away = send.state === 'sending' ? (this.#flow.calls.whyAway(channel) ?? 'unavailable') : undefined;
    return { sends: this.sends, ...(away && { away }) };
  }

  confirm(at: number): void {
    if (this.#verifiedAt !== undefined) return;
    this.#verifiedAt = at;
    this.#flow.note('right code typed');
    this.#flow.upsert();
  }

  state(): VerificationSessionState & { isOver: boolean } {
    const { createdAt } = this.#input;
    const at = this.#verifiedAt;
    return {
      createdAt,
      sends: this.sends,
      isOver: this.#isOver,
      ...(at !== undefined && { checks: { since: at, checks: 1, verifiedAt: at } }),
    };
  }

  #expiresAt(): number {
    return sessionExpiresAt(this.state(), this.#input.rules);
  }

  /** Not `async`: an extra microtask could change the order of commands on replay. */
  #publish(): Promise<void> {
    const { sessionId, rules } = this.#input;
    const waitingFor = this.#flow.waitingFor as Channel | undefined;
    const published = { version: ++this.#version, sends: this.sends, ...(waitingFor && { waitingFor }) };
    return publishSends({ sessionId, published, keepUntil: keepSessionUntil(this.state(), rules) });
  }

  /** After an unexpected error no code was sent, and the user can request another. */
  #failed(send: Send): void {
    send.state = 'rejected';
    send.reason = 'internal-error';
  }

  #searchAttributes(): SearchAttributeUpdatePair[] {
    const { country } = this.#input;
    const isVerified = this.#verifiedAt !== undefined;
    const { waitingFor } = this.#flow;
    const sendState = waitingFor !== undefined && !isVerified ? 'waiting' : 'pending';
    return searchAttributesOf(
      {
        policy: ['code'],
        done: new Set(isVerified ? (['code'] as const) : []),
        sends: this.sends,
        identity: { ...(country && { country }) },
      },
      { state: this.#outcome ?? sendState, ...(waitingFor && { waitingFor }) },
    );
  }
}
