/** `npm run demo`: registers a demo person on the running system and prints each call with its answer. */
import { parseArgs } from 'node:util';
import { solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import { createApiCaller, note, showHeading } from './demo-calls.ts';
import { waitForCode } from './demo-outbox.ts';
import { type DemoPerson, demoPeople, findDemoPerson, numberedPerson } from './demo-people.ts';
import { countSignalKeys, signalBody, withSignalStep } from './demo-signal.ts';
import { failure, say } from './summary.ts';
import { readReady } from './system.ts';

const help = `Registers a person of the demo directory on the system that npm start runs.

  npm run demo -- [options]

  --person <name>   ada, grace, joan or person000 … person999 (ada, or the next one without an account)
  --signal          also registers the number at the fake Signal-Server, by an api with the step signal
  --api <url>       another api
  --outbox <url>    its outbox page
  --folder <folder> data folder of the system (.vyry)
`;

/** The password of the new account; not the directory password. */
const newPassword = 'violet-harbour-engraves-93';

interface Place {
  apiUrl: string;
  outboxUrl: string;
  signalServerUrl: string | undefined;
}

process.exitCode = await main().catch((err: unknown) => {
  failure(err);
  return 1;
});

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      person: { type: 'string' },
      api: { type: 'string' },
      outbox: { type: 'string' },
      signal: { type: 'boolean', default: false },
      folder: { type: 'string', default: '.vyry' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return 0;
  }
  const ready = readReady(values.folder);
  const apiUrl = values.api ?? ready?.apiUrl;
  const outboxUrl = values.outbox ?? ready?.outboxUrl;
  if (apiUrl === undefined || outboxUrl === undefined) {
    throw new Error('Vyry does not run here. Run npm start in another terminal, wait for its summary and try again.');
  }
  const place = { apiUrl, outboxUrl, signalServerUrl: ready?.signalServerUrl };
  if (!values.signal) return registerOne(candidates(values.person), place);
  const withNumber = candidates(values.person).filter(({ channel }) => channel === 'sms');
  return withSignalStep(values.folder, (url) => registerOne(withNumber, { ...place, apiUrl: url }));
}

/** Registers the first person who has no account yet. @throws {Error} every person has one */
async function registerOne(people: DemoPerson[], place: Place): Promise<0> {
  for (const person of people) {
    if (await register(person, place)) return 0;
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
async function register(person: DemoPerson, { apiUrl, outboxUrl, signalServerUrl }: Place): Promise<boolean> {
  const api = createApiCaller(apiUrl);
  showHeading(`Registering ${person.username} (${person.about})`);

  const { username, channel, address } = person;
  // replaced by the directory entry when the policy has the step
  const identity = { username, [channel === 'email' ? 'email' : 'phone']: address };
  const started = await api.call('POST', '/api/v1/registrations', { body: { ...identity, client: 'desktop' } });
  const path = `/api/v1/registrations/${started.registrationId}`;
  const token = String(started.registrationToken);
  const step = (method: 'POST' | 'PUT', name: string, body: Record<string, unknown>) =>
    api.step(path, method, name, { token, body });

  const steps: Record<string, () => Promise<boolean>> = {
    directory: () => step('PUT', 'directory', { username, password: person.password }),
    captcha: async () => {
      const { provider, challenge } = await api.call('GET', '/api/v1/captcha');
      note('Solving the captcha, a small proof of work …');
      return step('PUT', 'captcha', { provider, token: await solve(challenge) });
    },
    code: async () => {
      const askedAt = new Date();
      if (await step('POST', 'codes', { channel })) return true;
      note(`The code arrives in the outbox: ${outboxUrl}`);
      return step('PUT', 'code', { code: await waitForCode(outboxUrl, address, askedAt) });
    },
    credentials: () => step('PUT', 'credentials', { password: newPassword }),
    async signal() {
      note('The keys of the two identities of a Signal account …');
      const body = signalBody();
      if (await step('PUT', 'signal', body)) return true;
      if (signalServerUrl === undefined) return false;
      // the same request again returns the same account
      const { uuid } = await api.call('PUT', `${path}/signal`, { token, body });
      const count = await countSignalKeys(signalServerUrl, { uuid: String(uuid), registrationToken: token });
      note(`The Signal-Server asked Vyry for the proof of the number, and has one-time keys: ${JSON.stringify(count)}`);
      return false;
    },
  };
  for (const { name } of started.steps as { name: string }[]) {
    if (await steps[name]?.()) return false;
  }

  const session = await api.call('POST', `${path}/session`, { token });
  const accessToken = String(session.accessToken);
  await api.call('GET', '/api/v1/auth/session', { token: accessToken });
  await api.call('GET', '/api/v1/users/me', { token: accessToken });
  say(`${username} has an account. The registration was a workflow; the Temporal UI shows every step of it.\n`);
  return true;
}

/** Returns the token of an ALTCHA challenge: challenge and solution in base64, as the ALTCHA widget builds it. */
async function solve(challenge: unknown): Promise<string> {
  const known = challenge as Parameters<typeof solveChallenge>[0]['challenge'];
  const solution = await solveChallenge({ challenge: known, deriveKey });
  if (solution === null) throw new Error('The captcha could not be solved');
  return Buffer.from(JSON.stringify({ challenge, solution })).toString('base64');
}
