/** The delivery attempts of a message at the providers of its channel, as stored with the message. */

/** The attempt to send one message by one provider. */
export interface DeliveryAttempt {
  provider: string;
  /**
   * `open`: not called yet. `handed`: the call began and its result is not known. `lost`: the call failed, but the
   * provider may have the message. `failed`: the provider does not have the message.
   */
  state: 'open' | 'handed' | 'lost' | 'failed';
  /** Time of the first call, in milliseconds since the Unix epoch. */
  at?: number;
}

/** Returns open attempts for providers in failover order. */
export function openAttempts(providers: readonly string[]): DeliveryAttempt[] {
  return providers.map((provider) => ({ provider, state: 'open' }));
}

/** Parses stored attempts; returns an empty list if nothing is stored. */
export function readAttempts(stored: string | null | undefined): DeliveryAttempt[] {
  return JSON.parse(stored ?? '[]') as DeliveryAttempt[];
}
