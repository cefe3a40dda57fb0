/** The code of a registration: each request for one, and an operator's switch to another channel. */
import { condition, isCancellation } from '@temporalio/workflow';
import { refuseReplacement, stuckSend } from '../domain/registration-refusals.ts';
import type { Channel } from '../domain/verification.ts';
import { sendSecurityAlert } from './notification.ts';
import { refusal, throwIfRefused } from './refusals.ts';
import type { RegistrationProgress } from './registration-progress.ts';

/** The codes of one registration. */
export class RegistrationCodes {
  readonly #progress: RegistrationProgress;
  /** Numbers and addresses whose owners were already looked up. */
  readonly #warned = new Set<string>();

  constructor(progress: RegistrationProgress) {
    this.#progress = progress;
  }

  /** Begins to send a code by a channel, and returns before it is sent. */
  request(channel: Channel): void {
    const { codes, flow } = this.#progress;
    // synchronous, so that the validator of a concurrent update sees this send and refuses the update
    const send = codes.begin(channel);
    flow.change();
    // the owner is looked up together with the result, so that the code does not wait for it
    const alert = () => this.#sendSecurityAlert(channel);
    void codes.deliver(send, this.#progress.wishes(), alert).catch((err: unknown) => this.#fail(err));
  }

  /**
   * Gives up a send that waits or was refused, and sends a code by another channel. Waits for a running attempt first:
   * if the provider accepts its code, none is sent by another channel.
   *
   * @throws {ApplicationFailure} nothing-waiting, and as `refuseCode`
   */
  async switchTo(channel: Channel): Promise<void> {
    const { codes, flow } = this.#progress;
    const stuck = stuckSend(channel, { sends: codes.sends, unavailable: flow.calls.unavailable });
    if (stuck === undefined) throw refusal('nothing-waiting');
    // before the first await, so that no further attempt starts and the validator refuses a concurrent update
    if (stuck.state === 'sending') {
      this.#progress.prolong();
      codes.giveUp(stuck);
    }
    const isTrying = () => flow.calls.isTrying(stuck.channel);
    if (isTrying()) {
      await condition(() => !isTrying());
      throwIfRefused(refuseReplacement(channel, this.#progress.state(), { givenUp: stuck, now: Date.now() }));
    }
    this.request(channel);
    await flow.announce();
  }

  /** Notifies an existing owner that their number or address is being registered. Does not wait for it. */
  #sendSecurityAlert(channel: Channel): void {
    const { to } = this.#progress.destinationOf(channel);
    if (to === undefined || this.#warned.has(to)) return;
    this.#warned.add(to);
    // a failure is ignored: it would reveal that there is an owner
    const { registrationId, client } = this.#progress.input;
    void sendSecurityAlert({ channel, to, registrationId }, client).catch(() => undefined);
  }

  /** Rejects the registration after an error in work that an update left running; the error would be lost otherwise. */
  #fail(err: unknown): void {
    if (!isCancellation(err)) this.#progress.end('rejected', 'internal-error');
  }
}
