/**
 * `npm run demo`: a demo person registers on the running system with a device, then links a second one, which is a process
 * of its own. The devices use the client of client/, and each call is printed with its answer. Then two people are made
 * who can talk in two browser windows.
 */
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { hasCode, VyryError } from '../client/errors.ts';
import { withPolicy } from './demo-api.ts';
import { showBrowserPeople } from './demo-browsers.ts';
import { note, showHeading } from './demo-calls.ts';
import { type DemoClient, knownAccounts, linkSecondDevice, openDevice, runLink, runNewDevice } from './demo-devices.ts';
import { countMessages } from './demo-outbox.ts';
import { type DemoPerson, demoPeople, findDemoPerson, numberedPerson } from './demo-people.ts';
import { register } from './demo-registration.ts';
import { failure, say } from './summary.ts';
import { readReady } from './system.ts';

const help = `Registers a person of the demo directory on the system that npm start runs, links a second device, and makes two
people who can talk in two browser windows. Each run takes people who have no account yet.

  npm run demo -- [options]            both devices, by itself
  npm run demo -- device               a new device: prints a QR text and waits to be linked
  npm run demo -- link "<QR text>"     links it, as the device of the person who has registered last

  --person <name>   ada, grace, joan or person000 … person999 (ada, or the next one without an account)
  --signal          also registers the number at the fake Signal-Server, by an api with the step signal
  --api <url>       another api
  --outbox <url>    its outbox page
  --folder <folder> data folder of the system (.vyry); the devices of the demo keep their state in its folder demo
`;

/** The policy with `--signal`. */
const signalSteps = 'captcha,code,credentials,device,signal';

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
  failure(explained(err));
  return 1;
});

/** Says in a sentence what the server refused. */
function explained(err: unknown): unknown {
  if (hasCode(err, 'UNREACHABLE')) return new Error(isAway);
  if (!(err instanceof VyryError) || err.status === undefined) return err;
  const details = (err.fields.details ?? []) as { path: string; message: string }[];
  const why = details.map(({ path, message }) => `; ${path} ${message}`).join('');
  return new Error(`The server refused the last call above: ${err.message}${why} (${err.status} ${err.code})`);
}

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
  const people = candidates(place.folder, chosen).filter(({ channel }) => !signal || channel === 'sms');
  const registerAt = (apiUrl: string) => registerOne(people, { ...place, apiUrl });
  const person = signal ? await withPolicy(place.folder, signalSteps, registerAt) : await registerAt(place.apiUrl);
  await using device = await openDevice(place, person.username);
  const linkId = await linkSecondDevice(device.vyry, place);
  await showEnd(device, place, { person, startedAt, linkId });
  await showBrowserPeople(place, newPeople(place.folder));
}

/** Registers the first person who has no account yet. @throws {Error} every person has one */
async function registerOne(people: DemoPerson[], place: Place): Promise<DemoPerson> {
  for (const person of people) {
    const refusal = await registerDevice(person, place);
    if (refusal === undefined) return person;
    note(`${person.username} ${refusal}; continuing with the next person.`);
  }
  throw new Error('Every demo person has an account. npm start -- --reset starts again without accounts.');
}

/** Registers a person with the first device of the account. Otherwise returns why not. */
async function registerDevice(person: DemoPerson, place: Place): Promise<string | undefined> {
  showHeading(`Registering ${person.username} (${person.about})`);
  await using device = await openDevice(place, person.username);
  const { vyry } = device;
  const refusal = await register(device, person, place);
  if (refusal !== undefined) return refusal;
  const { deviceId } = await vyry.calls.readSession();
  // the policy has no step for it
  if (deviceId === null) await vyry.devices.add('Telephone');
  await vyry.calls.readMe();
  say(`${person.username} has an account. The registration was a workflow; the Temporal UI shows every step of it.\n`);
  return undefined;
}

/** Returns the people who are not known to have an account. */
function newPeople(folder: string): DemoPerson[] {
  const known = new Set(knownAccounts(folder));
  const all = [...demoPeople, ...Array.from({ length: 1000 }, (_, index) => numberedPerson(index))];
  return all.filter(({ username }) => !known.has(username));
}

/** Returns the chosen person first, then the others without an account. */
function candidates(folder: string, chosen: string | undefined): DemoPerson[] {
  if (chosen === undefined) return newPeople(folder);
  const person = findDemoPerson(chosen);
  if (person === undefined)
    throw new Error(`There is no demo person ${chosen}; try ${demoPeople.map((p) => p.username).join(', ')}`);
  return [person, ...newPeople(folder).filter(({ username }) => username !== chosen)];
}

/** Says what there is now, and where to look at it. */
async function showEnd(
  { vyry }: DemoClient,
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
