/** The devices of the demo: the client of each keeps its state in a file, and a second one is linked from its own process. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters, styleText } from 'node:util';
import { hasCode, VyryError } from '../client/errors.ts';
import { openFileStore } from '../client/file-store.ts';
import type { ExistingDeviceFlow } from '../client/link-flows.ts';
import type { ClientStore } from '../client/store.ts';
import { createVyry, type Vyry } from '../client/vyry.ts';
import { note, printingFetch, showHeading } from './demo-calls.ts';
import { say } from './summary.ts';

/** The password of every new account; not the directory password. */
export const newPassword = 'violet-harbour-engraves-93';

/** Names of state files of devices that are linked to an account. */
const linkedPrefix = 'linked-';

/** Where the demo runs. */
interface DemoPlace {
  apiUrl: string;
  /** The data folder of the system. */
  folder: string;
}

/** A client, and its registration token, if it registers. */
export interface DemoClient {
  vyry: Vyry;
  registrationToken(): Promise<string>;
  /** Prints a remark, or nothing where the calls are not printed either. */
  note(text: string): void;
}

/** Creates a client; `isShown` prints its calls. */
export function createDemoClient(apiUrl: string, store: ClientStore, { isShown = false } = {}): DemoClient {
  return {
    vyry: createVyry({ origin: apiUrl, store, ...(isShown && { fetch: printingFetch }) }),
    registrationToken: () => store.transaction(({ registration }) => registration?.token ?? ''),
    note: isShown ? note : () => undefined,
  };
}

/** Opens the client of a device whose state is in a file of the data folder, and which prints its calls. */
export async function openDevice({ apiUrl, folder }: DemoPlace, name: string): Promise<DemoClient & AsyncDisposable> {
  const states = statesIn(folder);
  mkdirSync(states, { recursive: true, mode: 0o700 });
  const store = await openFileStore(join(states, `${name}.json`));
  return {
    ...createDemoClient(apiUrl, store, { isShown: true }),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** `npm run demo -- device`: asks to be linked, as a new device. Ends when it is one of the account. */
export async function runNewDevice(place: DemoPlace): Promise<void> {
  await using device = await openDevice(place, `${linkedPrefix}${randomBytes(4).toString('hex')}`);
  const { vyry } = device;
  const link = await vyry.devices.requestLink('Laptop');
  note(
    'An app shows this text as a QR code; the camera of an existing device reads it. It is valid for three minutes.',
  );
  say(`QR text: ${styleText('bold', link.qrText)}\n`);
  note(`In another terminal, on an existing device: npm run demo -- link "${link.qrText}"`);
  const digits = await link.code();
  note('Both devices have agreed on a key. The person types these digits on the existing device.');
  say(`Six digits: ${styleText('bold', digits)}\n`);
  const { isDeviceSetKnown } = await link.complete();
  const { deviceId } = await vyry.calls.readSession();
  note(`This is device ${deviceId} of the account now, with the identity key of the account and its own session.`);
  if (!isDeviceSetKnown) note('The server shows other devices than the one that approved knows.');
}

/**
 * `npm run demo -- link "<QR text>"`: approves a new device, as the device of the person who has registered last.
 *
 * @throws {Error} nobody has registered here; VyryError: the text is no link, or the link is over
 */
export async function runLink(place: DemoPlace, qrText: string, readDigits: () => Promise<string>): Promise<void> {
  const name = lastRegistered(place.folder);
  if (name === undefined) throw new Error('Nobody has registered here. Run npm run demo first.');
  await using device = await openDevice(place, name);
  await approveDevice(device.vyry, qrText, readDigits);
}

/** Scans a QR text, shows who asks, and approves it by the digits that the new device shows. */
async function approveDevice(vyry: Vyry, qrText: string, readDigits: () => Promise<string>): Promise<void> {
  const link = await vyry.devices.openScannedLink(qrText);
  const { deviceName, client, ip, place, network, sameNetwork } = link.request;
  const where = `${place ?? 'a place that the server does not know'}, network ${network}`;
  note(`${deviceName} (${client}) asks from ${ip}, ${where}${sameNetwork ? ', the same as yours' : ''}.`);
  note('It will read and send all your messages until you remove it.');
  await claim(vyry, link);
  for (;;) {
    try {
      await link.approve(await readDigits());
      return note('The digits are right: the new device gets the identity key, encrypted for it alone.');
    } catch (err) {
      if (!hasCode(err, 'LINK_CODE') || !err.attemptsLeft) throw err;
      note(`Other digits than the new device shows; ${err.attemptsLeft} tries are left.`);
    }
  }
}

/** Claims a link, after another authentication if the last one is too long ago. */
async function claim(vyry: Vyry, link: Pick<ExistingDeviceFlow, 'claim'>): Promise<void> {
  try {
    await link.claim();
  } catch (err) {
    if (!(err instanceof VyryError) || err.fields.maxAgeSeconds === undefined) throw err;
    await vyry.calls.stepUp({ body: { password: newPassword } });
    await link.claim();
  }
}

/** Links a second device, which runs in a process of its own. Returns the id of the link. */
export async function linkSecondDevice(vyry: Vyry, { apiUrl, folder }: DemoPlace): Promise<string> {
  showHeading('Linking a second device, which is another process; its lines begin with ┃');
  const program = join(import.meta.dirname, 'demo.ts');
  const args = [program, 'device', '--api', apiUrl, '--folder', folder];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ending = once(child, 'exit');
  try {
    const output = follow(createInterface({ input: child.stdout }));
    const qrText = await output.find(/^QR text: (\S+)/);
    await approveDevice(vyry, qrText, async () => {
      const digits = await output.find(/^Six digits: (\d{6})/);
      say(`${styleText('bold', `Six digits: ${digits}`)}, typed on the first device\n`);
      return digits;
    });
    const [code] = await ending;
    if (code !== 0) throw new Error('The second device was not linked');
    return qrText.split('.').at(-2) ?? '';
  } finally {
    child.kill();
  }
}

/** Prints the lines of another process, and finds texts in them. */
function follow(lines: ReturnType<typeof createInterface>) {
  const seen: string[] = [];
  let isClosed = false;
  lines.on('line', (line) => {
    say(`${styleText('magenta', '┃')} ${line}`);
    seen.push(stripVTControlCharacters(line));
  });
  const closing = once(lines, 'close').then(() => {
    isClosed = true;
  });
  return {
    /** Waits for a line that matches, and returns its first group. @throws {Error} the process ended without one */
    async find(pattern: RegExp): Promise<string> {
      for (;;) {
        const found = seen.flatMap((line) => pattern.exec(line)?.[1] ?? [])[0];
        if (found !== undefined) return found;
        if (isClosed) throw new Error('The second device has ended');
        await Promise.race([once(lines, 'line'), closing]);
      }
    },
  };
}

/** Returns the name of the newest state file of a person who has registered. */
function lastRegistered(folder: string): string | undefined {
  const states = statesIn(folder);
  if (!existsSync(states)) return undefined;
  const names = readdirSync(states).filter((file) => file.endsWith('.json') && !file.startsWith(linkedPrefix));
  const changedAt = (file: string) => statSync(join(states, file)).mtimeMs;
  const newest = names.sort((one, other) => changedAt(other) - changedAt(one))[0];
  return newest?.replace(/\.json$/, '');
}

/** Returns the names of the people who are known to have an account on the system of a folder. */
export function knownAccounts(folder: string): string[] {
  const file = accountsIn(folder);
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
}

/** Notes that a person has an account, so that later runs need not ask. A start with `--reset` forgets it. */
export function noteAccount(folder: string, name: string): void {
  if (knownAccounts(folder).includes(name)) return;
  mkdirSync(statesIn(folder), { recursive: true, mode: 0o700 });
  appendFileSync(accountsIn(folder), `${name}\n`);
}

function accountsIn(folder: string): string {
  return join(statesIn(folder), 'accounts.txt');
}

function statesIn(folder: string): string {
  return join(folder, 'demo');
}
