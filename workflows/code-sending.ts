/** Sending of codes: each send is one message, however many attempts it takes. */
import { proxyActivities } from '@temporalio/workflow';
import type { DeliveryActivities, SendCodeInput } from '../activities/delivery.ts';
import type { Channel, Send, SendState } from '../domain/verification.ts';
import type { DependencyCalls } from './dependency-calls.ts';
import { refusal } from './refusals.ts';
import { heartbeatTimeout, retry } from './retries.ts';

/** The address that a channel sends to. */
export interface Destination {
  /** E.164 number or e-mail address; undefined when there is none. */
  to: string | undefined;
  country?: string | undefined;
}

/** The workflow execution that sends the codes. */
export interface SendingExecution {
  subject: Pick<SendCodeInput, 'subject' | 'purpose' | 'ttlSeconds'>;
  destinationOf(channel: Channel): Destination;
  /** The code is not needed: the execution is over or the address is proven. */
  isUnwanted(): boolean;
  /** The state of a send that its provider refused for this reason. */
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

/** The sends of one workflow execution. */
export class CodeSending {
  readonly sends: Send[] = [];
  readonly #execution: SendingExecution;
  readonly #dependencyCalls: DependencyCalls;

  constructor(execution: SendingExecution, dependencyCalls: DependencyCalls) {
    this.#execution = execution;
    this.#dependencyCalls = dependencyCalls;
  }

  /** Adds a send. Synchronous, so that the next update already sees it. */
  begin(channel: Channel): Send {
    const send: Send = { number: this.sends.length + 1, channel, requestedAt: Date.now(), state: 'sending' };
    this.sends.push(send);
    this.#execution.note(`code ${send.number} requested by ${channel}`);
    return send;
  }

  /** Sends a code, waiting while its provider is unavailable, and publishes the result. */
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

  /** Returns the newest send that an operator may give up to use the target channel instead. */
  stuckFor(target: Channel): Send | undefined {
    return this.sends.findLast(
      ({ channel, state }) =>
        channel !== target &&
        (state === 'refused' || (state === 'sending' && this.#dependencyCalls.unavailable.has(channel))),
    );
  }

  /** Gives up a send permanently: no further attempt starts. */
  giveUp(send: Send): void {
    send.state = 'given-up';
    this.#dependencyCalls.unavailable.delete(send.channel);
    this.#execution.note(`code ${send.number} by ${send.channel} given up`);
  }

  /** Returns whether a send by a channel is in a state. */
  has(channel: Channel, state: SendState): boolean {
    return this.sends.some((send) => send.channel === channel && send.state === state);
  }
}
