/** Activities that register people at a Signal-Server. */
import type { SignalServer } from '../adapters/http/signal-server.ts';
import type { SignalSteps } from '../adapters/redis/signal-steps.ts';
import { Failure } from '../domain/failures.ts';
import type { SignalAccount, SignalRefusal } from '../domain/signal.ts';
import type { Events } from '../platform/events/events.ts';

/** A registration at the Signal-Server. Attributes, keys and password are in Redis under the reference. */
export interface SignalInput {
  registrationId: string;
  /** E.164. */
  number: string;
  requestRef: string;
}

/** The result. `lost`: another request has replaced this one. */
export type SignalResult =
  | { outcome: 'registered'; account: SignalAccount }
  | { outcome: 'refused'; refusal: SignalRefusal }
  | { outcome: 'lost' };

/** Dependencies of the activities. */
export interface SignalActivityDeps {
  signalServer: Pick<SignalServer, 'register' | 'uploadPreKeys'>;
  signalSteps: Pick<SignalSteps, 'readRequest'>;
  events: Pick<Events, 'dependencyAway'>;
}

/** The activities of the signal role. */
export type SignalActivities = ReturnType<typeof createSignalActivities>;

/** Creates the activities of the signal role. */
export function createSignalActivities({ signalServer, signalSteps, events }: SignalActivityDeps) {
  /** Tells operators of an outage. */
  async function noting<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (err) {
      if (err instanceof Failure) events.dependencyAway('signal', err.context.reason ?? err.code);
      throw err;
    }
  }

  return {
    /**
     * Registers the number with the verification session that has the id of the registration. Safe to repeat, also when
     * the answer was lost: password and keys are stored with the request, so that a repeat registers the same device of
     * the same account again; the server keeps the identity of a number. What the server deletes at a repeat, linked
     * devices and one-time keys, the new account does not have yet.
     *
     * @throws {Failure} unavailable
     */
    async registerWithSignal({ registrationId, number, requestRef }: SignalInput): Promise<SignalResult> {
      const request = await signalSteps.readRequest(registrationId, requestRef);
      if (request === undefined) return { outcome: 'lost' };
      const { password, attributes, userAgent } = request;
      const registration = { number, password, sessionId: registrationId, attributes, userAgent };
      const answer = await noting(() => signalServer.register(registration));
      return 'status' in answer ? { outcome: 'refused', refusal: answer } : { outcome: 'registered', account: answer };
    },

    /**
     * Uploads the one-time keys of the request, if it has any. Safe to repeat: an upload replaces the keys of its
     * identity, and nobody has got one before the step is done.
     *
     * @throws {Failure} unavailable
     */
    async uploadSignalKeys(input: SignalInput & { account: SignalAccount }): Promise<SignalResult> {
      const { registrationId, requestRef, account } = input;
      const request = await signalSteps.readRequest(registrationId, requestRef);
      if (request === undefined) return { outcome: 'lost' };
      for (const identity of ['aci', 'pni'] as const) {
        const keys = request.preKeys[identity];
        if (keys === undefined) continue;
        const upload = { account, password: request.password, identity, keys };
        const refusal = await noting(() => signalServer.uploadPreKeys(upload));
        if (refusal !== undefined) return { outcome: 'refused', refusal };
      }
      return { outcome: 'registered', account };
    },
  };
}
