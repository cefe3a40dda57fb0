/** Faults of the outside providers, switched in the fakes of a system (engines/fakes/faults.ts says which there are). */
import { until } from './until.ts';

/** A fault as `PUT /faults` takes it. */
export interface FaultSetting {
  channel: string;
  provider?: string;
  mode: string;
  seconds?: number;
  providerCode?: string | number;
}

/** Switches a fault on or, with the mode `none`, off. Answers that `hold` kept back are released by any other mode. */
export async function setFault(outboxUrl: string, fault: FaultSetting): Promise<void> {
  const response = await fetch(`${outboxUrl}/faults`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(fault),
  });
  if (!response.ok) throw new Error(`PUT /faults: ${response.status} ${await response.text()}`);
}

/** Resolves when as many answers are held by a `hold` fault: what sends is in the middle of the call. */
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
