/** A registration of the demo, by the steps of the policy. */
import { solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import { hasCode } from '../client/errors.ts';
import type { RegistrationFlow } from '../client/registration.ts';
import type { Registration } from '../contract/registrations.ts';
import { type DemoClient, newPassword } from './demo-devices.ts';
import { waitForCode } from './demo-outbox.ts';
import type { DemoPerson } from './demo-people.ts';
import { registerAtSignal } from './demo-signal.ts';

/** What a registration asks, besides the api. */
export interface RegistrationPlace {
  outboxUrl: string;
  signalServerUrl: string | undefined;
}

/**
 * Registers a person by the steps of the policy, and begins the first session. Returns false when the account exists
 * already.
 */
export async function register(device: DemoClient, person: DemoPerson, place: RegistrationPlace): Promise<boolean> {
  const { username, channel, address } = person;
  // replaced by the directory entry when the policy has the step
  const identity = channel === 'email' ? { username, email: address } : { username, phone: address };
  const flow = await device.vyry.register({ ...identity, client: 'desktop' });
  const steps = stepsOf(flow, device, { person, place });
  for (const { name } of (await flow.read()).steps) {
    if (await isTakenAfter(flow, async () => await steps[name]?.())) return false;
  }
  await flow.finish();
  return true;
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

/** Does a step. Returns whether it has shown that the person has an account; the registration is over then. */
async function isTakenAfter(flow: RegistrationFlow, act: () => Promise<Registration | undefined>): Promise<boolean> {
  try {
    const after = await act();
    const isLocked = after?.steps.some(({ name }) => name === 'approval') ?? false;
    if (isLocked) await flow.cancel();
    return isLocked;
  } catch (err) {
    if (hasCode(err, 'CONFLICT') && (await flow.read()).reason === 'identity-taken') return true;
    throw err;
  }
}

/** Returns the token of an ALTCHA challenge: challenge and solution in base64, as the ALTCHA widget builds it. */
async function solve(challenge: unknown): Promise<string> {
  const known = challenge as Parameters<typeof solveChallenge>[0]['challenge'];
  const solution = await solveChallenge({ challenge: known, deriveKey });
  if (solution === null) throw new Error('The captcha could not be solved');
  return Buffer.from(JSON.stringify({ challenge, solution })).toString('base64');
}
