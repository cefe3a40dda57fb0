/**
 * `npm run demo`: a demo person registers on the running system with a device, then links a second one, which is a process
 * of its own. The devices use the client of client/, and each call is printed with its answer.
 */
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import { hasCode } from '../client/errors.ts';
import type { RegistrationFlow } from '../client/registration.ts';
import type { Registration } from '../contract/registrations.ts';
import { note, showHeading } from './demo-calls.ts';
import { type DemoDevice, linkSecondDevice, newPassword, openDevice, runLink, runNewDevice } from './demo-devices.ts';
import { countMessages, waitForCode } from './demo-outbox.ts';
import { type DemoPerson, demoPeople, findDemoPerson, numberedPerson } from './demo-people.ts';
import { registerAtSignal, withSignalStep } from './demo-signal.ts';
import { failure, say } from './summary.ts';
import { readReady } from './system.ts';

const help = `Registers a person of the demo directory on the system that npm start runs, and links a second device.

  npm run demo -- [options]            both devices, by itself
  npm run demo -- device               a new device: prints a QR text and waits to be linked
  npm run demo -- link "<QR text>"     links it, as the device of the person who has registered last

  --person <name>   ada, grace, joan or person000 … person999 (ada, or the next one without an account)
  --signal          also registers the number at the fake Signal-Server, by an api with the step signal
  --api <url>       another api
  --outbox <url>    its outbox page
  --folder <folder> data folder of the system (.vyry); the devices of the demo keep their state in its folder demo
`;

const isAway = 'Vyry does not run here. Run npm start in another terminal, wait for its summary and try again.';

interface Place {
  apiUrl: string;
  outboxUrl: string;
  folder: string;
  signalServerUrl: string | undefined;
  temporalUiUrl: string | undefined;
  elasticsearchUrl: string | undefined;
}

process.exitCode = await main().catch((err: unknown) => {
  failure(hasCode(err, 'UNREACHABLE') ? new Error(isAway) : err);
  return 1;
});

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      person: { type: 'string' },
      api: { type: 'string' },
      outbox: { type: 'string' },
      signal: { type: 'boolean', default: false },
      folder: { type: 'string', default: '.vyry' },
      help: { type: 'boolean', default: false },
    },
  });
  const [command = 'register', text] = positionals;
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const place = placeOf(values);
  if (command === 'device') await runNewDevice(place);
  else if (command === 'link' && text !== undefined) await runLink(place, text, askDigits);
  else if (command === 'register') await runBoth(place, values);
  else throw new Error(`npm run demo -- --help says what the demo can do`);
  return 0;
}

interface PlaceOptions {
  api?: string | undefined;
  outbox?: string | undefined;
  folder: string;
}

/** @throws {Error} no system runs in the folder */
function placeOf({ api, outbox, folder }: PlaceOptions): Place {
  const ready = readReady(folder);
  const apiUrl = api ?? ready?.apiUrl;
  const outboxUrl = outbox ?? ready?.outboxUrl ?? '';
  if (apiUrl === undefined) throw new Error(isAway);
  const { signalServerUrl, temporalUiUrl, elasticsearchUrl } = ready ?? {};
  return { apiUrl, outboxUrl, folder, signalServerUrl, temporalUiUrl, elasticsearchUrl };
}

/** Asks the person for the digits. */
async function askDigits(): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const digits = await terminal.question('Six digits of the new device: ');
  terminal.close();
  return digits.trim();
}

/** Registers a person and links a second device. */
async function runBoth(
  place: Place,
  { signal, person: chosen }: { signal: boolean; person?: string | undefined },
): Promise<void> {
  if (place.outboxUrl === '') throw new Error(isAway);
  const startedAt = new Date();
  const people = candidates(chosen).filter(({ channel }) => !signal || channel === 'sms');
  const registerAt = (apiUrl: string) => registerOne(people, { ...place, apiUrl });
  const person = signal ? await withSignalStep(place.folder, registerAt) : await registerAt(place.apiUrl);
  await using device = await openDevice(place, person.username);
  const linkId = await linkSecondDevice(device.vyry, place);
  await showEnd(device, place, { person, startedAt, linkId });
}

/** Registers the first person who has no account yet. @throws {Error} every person has one */
async function registerOne(people: DemoPerson[], place: Place): Promise<DemoPerson> {
  for (const person of people) {
    if (await register(person, place)) return person;
    note(`${person.username} has an account already; continuing with the next person.`);
  }
  throw new Error('Every demo person has an account. npm start -- --reset starts again without accounts.');
}

/** Returns the chosen person first, then all others. */
function candidates(chosen: string | undefined): DemoPerson[] {
  const everybody = [...demoPeople, ...Array.from({ length: 1000 }, (_, index) => numberedPerson(index))];
  if (chosen === undefined) return everybody;
  const person = findDemoPerson(chosen);
  if (person === undefined)
    throw new Error(`There is no demo person ${chosen}; try ${demoPeople.map((p) => p.username).join(', ')}`);
  return [person, ...everybody.filter(({ username }) => username !== chosen)];
}

/** Registers a person by the steps of the policy. Returns false when the account exists already. */
async function register(person: DemoPerson, place: Place): Promise<boolean> {
  showHeading(`Registering ${person.username} (${person.about})`);
  await using device = await openDevice(place, person.username);
  const { vyry } = device;
  const { username, channel, address } = person;
  // replaced by the directory entry when the policy has the step
  const identity = channel === 'email' ? { username, email: address } : { username, phone: address };
  const flow = await vyry.register({ ...identity, client: 'desktop' });
  const steps = stepsOf(flow, device, { person, place });
  for (const { name } of (await flow.read()).steps) {
    if (await isTakenAfter(flow, async () => await steps[name]?.())) return false;
  }
  await flow.finish();
  const { deviceId } = await vyry.calls.readSession();
  // the policy has no step for it
  if (deviceId === null) await vyry.devices.add('Telephone');
  await vyry.calls.readMe();
  say(`${username} has an account. The registration was a workflow; the Temporal UI shows every step of it.\n`);
  return true;
}

/** How each step is done. */
function stepsOf(
  flow: RegistrationFlow,
  { vyry, registrationToken }: DemoDevice,
  { person, place }: { person: DemoPerson; place: Place },
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

/** Says what there is now, and where to look at it. */
async function showEnd(
  { vyry }: DemoDevice,
  { outboxUrl, temporalUiUrl, elasticsearchUrl }: Place,
  { person, startedAt, linkId }: { person: DemoPerson; startedAt: Date; linkId: string },
): Promise<void> {
  const { items } = await vyry.calls.listDevices();
  const { codes, notifications } = await countMessages(outboxUrl, person.address, startedAt);
  showHeading(`${person.username} has ${items.length} devices`);
  for (const { deviceId, name, linkedBy, keys } of items) {
    const how = linkedBy === null ? 'by the registration' : `linked by device ${linkedBy}`;
    say(`  ${deviceId}  ${name}, ${how}, ${keys.count} + ${keys.pqCount} one-time keys`);
  }
  say(`\nMessages to ${person.address} so far: ${codes} with a code, ${notifications} about the account.`);
  say(`  Outbox       ${outboxUrl}`);
  if (temporalUiUrl) say(`  The link     ${temporalUiUrl}/namespaces/default/workflows/device-link:${linkId}`);
  if (elasticsearchUrl) say('  Audit log    the dashboards of Kibana: docs/kibana.md');
  say('  By hand      npm run demo -- device, and in another terminal npm run demo -- link "<QR text>"\n');
}

/** Returns the token of an ALTCHA challenge: challenge and solution in base64, as the ALTCHA widget builds it. */
async function solve(challenge: unknown): Promise<string> {
  const known = challenge as Parameters<typeof solveChallenge>[0]['challenge'];
  const solution = await solveChallenge({ challenge: known, deriveKey });
  if (solution === null) throw new Error('The captcha could not be solved');
  return Buffer.from(JSON.stringify({ challenge, solution })).toString('base64');
}
