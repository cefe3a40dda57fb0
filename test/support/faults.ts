/** Faults of the provider fakes of a system (listed in engines/fakes/faults.ts). */
import { until } from './until.ts';

/** A fault in the format of `PUT /faults`. */
export interface FaultSetting {
  channel: string;
  provider?: string;
  mode: string;
  seconds?: number;
  providerCode?: string | number;
}

/** Sets a fault, or clears it with the mode `none`. Any other mode releases the responses that `hold` kept back. */
export async function setFault(outboxUrl: string, fault: FaultSetting): Promise<void> {
  const response = await fetch(`${outboxUrl}/faults`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(fault),
  });
  if (!response.ok) throw new Error(`PUT /faults: ${response.status} ${await response.text()}`);
}

/** Resolves when a `hold` fault holds this many responses: the sender is in the middle of its call. */
export async function untilHeld(
  outboxUrl: string,
  { channel, provider }: Pick<FaultSetting, 'channel' | 'provider'>,
  count = 1,
): Promise<void> {
  await until(async () => {
    const faults = (await (await fetch(`${outboxUrl}/faults`)).json()) as (FaultSetting & { held?: number })[];
    const fault = faults.find((one) => one.channel === channel && one.provider === provider);
    return (fault?.held ?? 0) >= count;
  });
}
