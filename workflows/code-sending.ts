/** The codes of a flow on their way: each send is one message, whatever fails on the way. */
import { proxyActivities } from '@temporalio/workflow';
import type { DeliveryActivities, SendCodeInput } from '../activities/delivery.ts';
import type { Channel, Send, SendState } from '../domain/verification.ts';
import type { DependencyCalls } from './dependency-calls.ts';
import { refusal } from './refusals.ts';
import { heartbeatTimeout, retry } from './retries.ts';

/** Where a channel reaches the person. */
export interface Destination {
  /** E.164 or one address; undefined when there is none. */
  to: string | undefined;
  country?: string | undefined;
}

/** The flow behind the codes. */
export interface SendingExecution {
  subject: Pick<SendCodeInput, 'subject' | 'purpose' | 'ttlSeconds'>;
  destinationOf(channel: Channel): Destination;
  /** The code is no longer wanted: the flow is over or it is proven. */
  isUnwanted(): boolean;
  /** What a send has come to that its provider would not carry, by the provider's reason. */
  refusedState(reason: string): SendState;
  note(text: string): void;
  announce(): Promise<void>;
}

const delivery = proxyActivities<DeliveryActivities>({
  taskQueue: 'delivery',
  startToCloseTimeout: '60s',
  heartbeatTimeout,
  retry,
});

/** The sends of a flow. */
export class CodeSending {
  readonly sends: Send[] = [];
  readonly #execution: SendingExecution;
  readonly #dependencyCalls: DependencyCalls;

  constructor(execution: SendingExecution, dependencyCalls: DependencyCalls) {
    this.#execution = execution;
    this.#dependencyCalls = dependencyCalls;
  }

  /** Enters a send, at once: an order that is handled next sees it. */
  begin(channel: Channel): Send {
    const send: Send = { number: this.sends.length + 1, channel, requestedAt: Date.now(), state: 'sending' };
    this.sends.push(send);
    this.#execution.note(`code ${send.number} asked for by ${channel}`);
    return send;
  }

  /** Sends a code as soon as its provider is there, and announces what came of it. */
  async deliver(send: Send, wishes: Pick<SendCodeInput, 'locale' | 'client'> = {}): Promise<void> {
    const { number, channel } = send;
    const { to, country } = this.#execution.destinationOf(channel);
    if (to === undefined) throw refusal('channel-not-available');
    const input = { ...this.#execution.subject, send: number, channel, to, ...wishes, ...(country && { country }) };
    const result = await this.#dependencyCalls.callWhenAvailable(
      channel,
      () => delivery.sendCode.executeWithOptions({ summary: `Send code ${number} by ${channel}` }, [input]),
      () => this.#execution.isUnwanted() || send.state === 'given-up',
    );
    if (result === undefined) return;
    if (result.result === 'sent') {
      send.state = 'sent';
      send.sentAt = result.at;
      this.#execution.note(`code ${number} sent by ${channel}`);
    } else {
      send.state = this.#execution.refusedState(result.reason);
      send.reason = result.reason;
      this.#execution.note(`code ${number} ${send.state} by ${channel}: ${result.reason}`);
    }
    await this.#execution.announce();
  }

  /** The newest send that an operator may give up for another channel. */
  stuckFor(target: Channel): Send | undefined {
    return this.sends.findLast(
      ({ channel, state }) =>
        channel !== target &&
        (state === 'refused' || (state === 'sending' && this.#dependencyCalls.unavailable.has(channel))),
    );
  }

  /** Gives a send up for good: no further try of it begins. */
  giveUp(send: Send): void {
    send.state = 'given-up';
    this.#dependencyCalls.unavailable.delete(send.channel);
    this.#execution.note(`code ${send.number} by ${send.channel} given up`);
  }

  /** Tells whether a send of a channel has come to something. */
  has(channel: Channel, state: SendState): boolean {
    return this.sends.some((send) => send.channel === channel && send.state === state);
  }
}
