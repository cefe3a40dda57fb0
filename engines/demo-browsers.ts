/** The end of the demo: two people with an account and without a device, who talk in two browser windows. */
import { createMemoryStore } from '../client/memory-store.ts';
import type { Vyry } from '../client/vyry.ts';
import { contactCode } from '../web/contact-code.ts';
import { policyIn, withPolicy } from './demo-api.ts';
import { showHeading } from './demo-calls.ts';
import { createDemoClient, newPassword } from './demo-devices.ts';
import type { DemoPerson } from './demo-people.ts';
import { type RegistrationPlace, register } from './demo-registration.ts';
import { say } from './summary.ts';

/** A password and no device: the browser in which the person signs in becomes the first device of the account. */
const steps = 'directory,captcha,code,credentials';

interface Place extends RegistrationPlace {
  apiUrl: string;
}

interface Registered extends DemoPerson {
  vyry: Vyry;
  userId: string;
}

/**
 * Registers the first two people who have no account yet, lets them write to each other, and says how they sign in.
 * Where the policy of the system is another one than theirs, they register at an api with their policy.
 *
 * @throws {Error} fewer than two people are left
 */
export async function showBrowserPeople(place: Place, people: readonly DemoPerson[]): Promise<void> {
  const policy = policyIn(place.folder);
  // another machine's
  if (policy === undefined) return say(`Web app: ${place.apiUrl}/app\n`);
  showHeading('Registering two people who talk in browser windows (calls as above, not shown)');
  const registerAt = (apiUrl: string) => registerTwo({ ...place, apiUrl }, people);
  const isOwnPolicy = policy.join() === steps;
  const two = isOwnPolicy ? await registerAt(place.apiUrl) : await withPolicy(place.folder, steps, registerAt);
  say(`Web app: ${place.apiUrl}/app. Sign in as one person in one window and as the other in a private window:`);
  for (const { username, about } of two) say(`  ${username.padEnd(12)}password ${newPassword}   (${about})`);
  say('\nEach browser becomes the first device of its person. They have accepted each other, and write at:');
  const [first, second] = two;
  for (const [one, other] of [
    [first, second],
    [second, first],
  ] as const) {
    const code = contactCode(new URL(place.apiUrl).origin, { userId: other.userId, name: other.username });
    say(`  ${one.username} to ${other.username}: ${code}`);
  }
  say('');
}

async function registerTwo(place: Place, people: readonly DemoPerson[]): Promise<[Registered, Registered]> {
  const two: Registered[] = [];
  for (const person of people) {
    const client = createDemoClient(place.apiUrl, createMemoryStore());
    if ((await register(client, person, place)) !== undefined) continue;
    const { userId } = await client.vyry.calls.readMe();
    two.push({ ...person, vyry: client.vyry, userId });
    if (two.length === 2) break;
  }
  const [one, other] = two;
  if (one === undefined || other === undefined)
    throw new Error('Every demo person has an account. npm start -- --reset starts again without accounts.');
  for (const [{ vyry }, { userId }] of [
    [one, other],
    [other, one],
  ] as const) {
    await vyry.calls.changeConversation({ userId, body: { state: 'accepted', receipts: true } });
    await vyry.calls.logOut();
  }
  return [one, other];
}
