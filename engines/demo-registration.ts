/** A registration of the demo, by the steps of the policy. */
import { solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import { hasCode } from '../client/errors.ts';
import type { RegistrationFlow } from '../client/registration.ts';
import type { Registration } from '../contract/registrations.ts';
import { type DemoClient, newPassword, noteAccount } from './demo-devices.ts';
import { waitForCode } from './demo-outbox.ts';
import type { DemoPerson } from './demo-people.ts';
import { registerAtSignal } from './demo-signal.ts';

/** What a registration asks, besides the api. */
export interface RegistrationPlace {
  outboxUrl: string;
  signalServerUrl: string | undefined;
  /** The data folder of the system. */
  folder: string;
}

const hasAccount = 'has an account already';

/**
 * Registers a person by the steps of the policy, and begins the first session. Otherwise returns why this person cannot
 * register now.
 */
export async function register(
  device: DemoClient,
  person: DemoPerson,
  place: RegistrationPlace,
): Promise<string | undefined> {
  const { username, channel, address } = person;
  // replaced by the directory entry when the policy has the step
  const identity = channel === 'email' ? { username, email: address } : { username, phone: address };
  const flow = await device.vyry.register({ ...identity, client: 'desktop' });
  const steps = stepsOf(flow, device, { person, place });
  for (const { name } of (await flow.read()).steps) {
    const refusal = await refusalAfter(flow, async () => await steps[name]?.());
    if (refusal === hasAccount) noteAccount(place.folder, username);
    if (refusal !== undefined) return refusal;
  }
  await flow.finish();
  noteAccount(place.folder, username);
  return undefined;
}

/** How each step is done. */
function stepsOf(
  flow: RegistrationFlow,
  { vyry, registrationToken, note }: DemoClient,
  { person, place }: { person: DemoPerson; place: RegistrationPlace },
): Record<string, () => Promise<Registration>> {
  const { username, password, channel, address } = person;
  const { outboxUrl, signalServerUrl } = place;
  return {
    directory: () => flow.verifyDirectory({ username, password }),
    async captcha() {
      const { provider, challenge } = await vyry.calls.offerCaptcha();
      note('Solving the captcha, a small proof of work …');
      return flow.verifyCaptcha({ provider, token: await solve(challenge) });
    },
    async code() {
      const askedAt = new Date();
      await flow.sendCode({ channel });
      note(`The code arrives in the outbox: ${outboxUrl}`);
      return flow.verifyCode(await waitForCode(outboxUrl, address, askedAt));
    },
    credentials: () => flow.submitCredentials({ password: newPassword }),
    device() {
      note('The keys of the device are made here; the server gets the public ones.');
      return flow.submitDevice('Telephone');
    },
    async signal() {
      const { registrationId } = flow;
      await registerAtSignal(vyry, { registrationId, token: await registrationToken() }, signalServerUrl);
      return flow.read();
    },
  };
}

/** Does a step. Returns why this person cannot register now; the registration is over then. */
async function refusalAfter(
  flow: RegistrationFlow,
  act: () => Promise<Registration | undefined>,
): Promise<string | undefined> {
  try {
    const after = await act();
    const isLocked = after?.steps.some(({ name }) => name === 'approval') ?? false;
    if (isLocked) await flow.cancel();
    return isLocked ? hasAccount : undefined;
  } catch (err) {
    if (hasCode(err, 'CONFLICT') && (await flow.read()).reason === 'identity-taken') return hasAccount;
    if (!hasCode(err, 'RATE_LIMITED') || !err.limit?.startsWith('sends-per-')) throw err;
    await flow.cancel();
    return 'has had as many codes as the limits allow';
  }
}

/** Returns the token of an ALTCHA challenge: challenge and solution in base64, as the ALTCHA widget builds it. */
async function solve(challenge: unknown): Promise<string> {
  const known = challenge as Parameters<typeof solveChallenge>[0]['challenge'];
  const solution = await solveChallenge({ challenge: known, deriveKey });
  if (solution === null) throw new Error('The captcha could not be solved');
  return Buffer.from(JSON.stringify({ challenge, solution })).toString('base64');
}
