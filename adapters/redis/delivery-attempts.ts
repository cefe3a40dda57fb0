/** The way of a message through the providers of its channel, as it is stored with the message. */

/** A provider on the way of one message. */
export interface DeliveryAttempt {
  provider: string;
  /**
   * `open`: not called yet. `handed`: the call began, how it ended is not known here. `lost`: it failed, and may have the
   * message all the same. `failed`: it does not have it.
   */
  state: 'open' | 'handed' | 'lost' | 'failed';
  /** First call. */
  at?: number;
}

/** A way on which nobody was called yet. */
export function openAttempts(providers: readonly string[]): DeliveryAttempt[] {
  return providers.map((provider) => ({ provider, state: 'open' }));
}

/** A way as it was stored; empty where none was. */
export function readAttempts(stored: string | null | undefined): DeliveryAttempt[] {
  return JSON.parse(stored ?? '[]') as DeliveryAttempt[];
}
