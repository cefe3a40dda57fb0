/** Devices of a load: each stays connected to one of the gateways, sends one message after the other, and keeps the books. */
import { setTimeout as wait } from 'node:timers/promises';
import { io } from 'socket.io-client';
import type { ReceivedMessage } from '../../../contract/messages.ts';
import { type ClientSocket, messageTo, type TestDevice, textOf } from '../messages.ts';
import { Received } from './ledger.ts';

/** How long a client waits for an answer before it sends again. */
const answerMs = 10_000;
/** A client reconnects, or sends again after a refusal, after up to this time. */
const pauseMs = 200;
/** Refusals after which a send is repeated. */
const repeatable: readonly unknown[] = ['UNAVAILABLE', 'RATE_LIMITED'];

/** What the devices of a load count together. */
export class Tally {
  answered = 0;
  received = 0;
  /** Sends that were repeated, because the connection was lost or the server refused them for a while. */
  retries = 0;
  /** Repeated sends that the server recognized. */
  recognized = 0;
  connections = 0;
}

/** A device that sends and receives until it is closed. */
export class LoadDevice implements Disposable {
  readonly device: TestDevice;
  readonly received = new Received();
  /** By the user id of the recipient: how many messages were answered. */
  readonly answered = new Map<string, number>();
  readonly #urls: readonly string[];
  readonly #tally: Tally;
  #turn: number;
  #isClosed = false;
  /** Resolves when the device may connect. */
  #present = Promise.resolve();
  #socket = Promise.withResolvers<ClientSocket>();
  #drained = Promise.withResolvers<void>();

  /** @param urls the gateways; the device begins at the one with the index `turn` */
  constructor(device: TestDevice, { urls, turn, tally }: { urls: readonly string[]; turn: number; tally: Tally }) {
    this.device = device;
    this.#urls = urls;
    this.#turn = turn;
    this.#tally = tally;
    void this.#stayConnected();
  }

  /** Sends the next message to a device, again and again until the server has answered it. */
  async send({ device: to }: LoadDevice): Promise<void> {
    const number = (this.answered.get(to.userId) ?? 0) + 1;
    const text = `${this.device.userId} ${number} `.padEnd(128, '.');
    const body = { userId: to.userId, ...messageTo([to], text, { urgent: false }) };
    for (;;) {
      const socket = await this.#socket.promise;
      const answer = await socket
        .timeout(answerMs)
        .emitWithAck('message:send', body)
        .catch(() => undefined);
      if (answer !== undefined && 'data' in answer) {
        if (answer.data.duplicate) this.#tally.recognized++;
        break;
      }
      const code = answer?.error.error_code;
      if (answer !== undefined && !repeatable.includes(code)) throw new Error(JSON.stringify(answer.error));
      this.#tally.retries++;
      await pause();
    }
    this.answered.set(to.userId, number);
    this.#tally.answered++;
  }

  /** Resolves when the device is connected and has got what waited for it. */
  async drained(): Promise<void> {
    await this.#drained.promise;
  }

  /** Connects again, and resolves when the device has got what waited for it. */
  async reconnect(): Promise<void> {
    const socket = await this.#socket.promise;
    this.#drained = Promise.withResolvers();
    socket.disconnect();
    await this.drained();
  }

  /** Disconnects, and stays away until the returned function is called. */
  async leave(): Promise<() => void> {
    const socket = await this.#socket.promise;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#present = promise;
    socket.disconnect();
    return resolve;
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    void this.#socket.promise.then((socket) => socket.disconnect());
  }

  async #stayConnected(): Promise<void> {
    while (!this.#isClosed) {
      const socket = io(this.#urls[this.#turn++ % this.#urls.length] ?? '', {
        transports: ['websocket'],
        forceNew: true,
        reconnection: false,
        auth: { token: this.device.token },
      }) as ClientSocket;
      await this.#serve(socket);
      if (!this.#isClosed) await pause();
      await this.#present;
    }
  }

  /** Takes part until the connection ends. */
  async #serve(socket: ClientSocket): Promise<void> {
    const ended = Promise.withResolvers<void>();
    socket.once('connect', () => {
      this.#tally.connections++;
      this.#socket.resolve(socket);
    });
    socket.once('connect_error', () => ended.resolve());
    socket.once('disconnect', () => {
      this.#socket = Promise.withResolvers();
      ended.resolve();
    });
    socket.on('inbox:page', ({ messages }, acknowledge) => {
      for (const message of messages) this.#note(message);
      acknowledge();
    });
    socket.on('message:new', (message, acknowledge) => {
      this.#note(message);
      acknowledge();
    });
    socket.on('inbox:drained', () => this.#drained.resolve());
    await ended.promise;
    socket.disconnect();
  }

  #note(message: ReceivedMessage): void {
    const [sender = '', number] = textOf(message).split(' ', 2);
    this.#tally.received++;
    this.received.note(message.messageId, sender, Number(number));
  }
}

function pause(): Promise<void> {
  return wait(Math.random() * pauseMs);
}
