/** Sending of codes: each send is one message, however many attempts it takes. */
import { proxyActivities } from '@temporalio/workflow';
import type { CodeSendingActivities, SendCodeInput } from '../activities/code-sending.ts';
import type { Channel, Send } from '../domain/verification.ts';
import type { Flow } from './flow.ts';
import { refusal } from './refusals.ts';
import { heartbeatTimeout, retry } from './retries.ts';

/** The address that a channel sends to. */
export interface Destination {
  /** E.164 number or e-mail address; undefined when there is none. */
  to: string | undefined;
  country?: string | undefined;
}

/** What a workflow execution decides about its codes. */
interface SendingOptions {
  subject: Pick<SendCodeInput, 'subject' | 'purpose' | 'ttlSeconds'>;
  destinationOf(channel: Channel): Destination;
  /** The code is not needed: the execution is over or the address is proven. */
  isUnwanted(): boolean;
  /** The state of a send that its provider refused for this reason. */
  refusedState(reason: string): 'refused' | 'rejected';
}

type Wishes = Pick<SendCodeInput, 'locale' | 'client'>;

const delivery = proxyActivities<CodeSendingActivities>({
  taskQueue: 'delivery',
  startToCloseTimeout: '60s',
  heartbeatTimeout,
  retry,
});

/** The sends of one workflow execution. */
export class CodeSending {
  readonly sends: Send[] = [];
  readonly #flow: Flow;
  readonly #options: SendingOptions;

  constructor(flow: Flow, options: SendingOptions) {
    this.#flow = flow;
    this.#options = options;
  }

  /** Adds a send. Synchronous, so that the next update already sees it. */
  begin(channel: Channel): Send {
    const send: Send = { number: this.sends.length + 1, channel, requestedAt: Date.now(), state: 'sending' };
    this.sends.push(send);
    this.#flow.note(`code ${send.number} requested by ${channel}`);
    return send;
  }

  /**
   * Sends a code, waiting while its provider is unavailable, and publishes the result.
   *
   * @param settled called when a provider has accepted or refused the code, before the result is published
   */
  async deliver(send: Send, wishes: Wishes = {}, settled: () => void = () => undefined): Promise<void> {
    const { number, channel } = send;
    const { to, country } = this.#options.destinationOf(channel);
    if (to === undefined) throw refusal('channel-not-available');
    const input = { ...this.#options.subject, send: number, channel, to, ...wishes, ...(country && { country }) };
    const result = await this.#flow.calls.callWhenAvailable(
      channel,
      () => delivery.sendCode.executeWithOptions({ summary: `Send code ${number} by ${channel}` }, [input]),
      () => this.#options.isUnwanted() || send.state === 'given-up',
    );
    if (result === undefined) return;
    if (result.result === 'sent') {
      send.state = 'sent';
      send.sentAt = result.at;
      this.#flow.note(`code ${number} sent by ${channel}`);
    } else {
      send.state = this.#options.refusedState(result.reason);
      send.reason = result.reason;
      this.#flow.note(`code ${number} ${send.state} by ${channel}: ${result.reason}`);
    }
    settled();
    await this.#flow.announce();
  }

  /** Gives up a send permanently: no further attempt starts. */
  giveUp(send: Send): void {
    send.state = 'given-up';
    this.#flow.calls.unavailable.delete(send.channel);
    this.#flow.note(`code ${send.number} by ${send.channel} given up`);
  }
}
