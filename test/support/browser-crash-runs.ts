/** Runs of two devices on stores of IndexedDB whose browser is killed at a random await of the page. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { chromiumPath } from '../../engines/chromium.ts';
import { bundlePage } from './browser-page.ts';
import type { Shelf } from './crash-conversation.ts';
import { type CrashFolder, checkConversation, createCrashFolder, createOutside } from './crash-folder.ts';

/** How a run of the page ended. */
type End = { kind: 'killed' } | { kind: 'ended'; callbacks: number } | { kind: 'failed'; problem: string };

/** Without background work of a browser that a person uses. */
const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-extensions',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Opens test/support/crash-page.ts so many times in browsers of one profile, each with one more message of both devices. It
 * throws unless every message has arrived once and no key has encrypted two. `part` is the part of a run in which they are
 * killed: in its first half one device sends and the other one receives, in its second half it answers.
 *
 * @returns how many browsers were killed at an await; the one of a run that ends is killed as well
 */
export async function checkKilledBrowsers(runs: number, part = { from: 0, to: 1 }): Promise<number> {
  await using folder = await createCrashFolder();
  await using pages = await servePages(folder);
  const callbacks = await runWhole(pages, 1);
  let killed = 0;
  for (let run = 2; run <= runs + 1; run += 1) {
    const killAt = 1 + Math.floor((part.from + Math.random() * (part.to - part.from)) * callbacks);
    const end = await pages.run({ messages: run, killAt });
    if (end.kind === 'failed') assert.fail(`killed at ${killAt}: ${end.problem}`);
    killed += end.kind === 'killed' ? 1 : 0;
  }
  await runWhole(pages, runs + 1);
  await checkConversation(folder.path, runs + 1);
  return killed;
}

/** Returns the number of callbacks of a whole run. */
async function runWhole(pages: Pages, messages: number): Promise<number> {
  const end = await pages.run({ messages, killAt: 0 });
  if (end.kind !== 'ended') assert.fail(`${end.kind}: ${JSON.stringify(end)}`);
  return end.callbacks;
}

interface Pages extends AsyncDisposable {
  /** Opens the page in a new browser on the profile of the one before, and kills it when the page asks for it or ends. */
  run(input: { messages: number; killAt: number }): Promise<End>;
}

/** Serves the page and what outlives its browsers. */
async function servePages(folder: CrashFolder): Promise<Pages> {
  const profile = await mkdtemp(join(tmpdir(), 'vyry-profile-'));
  const script = await bundlePage('test/support/crash-page.ts', { isCounted: true });
  let ending = Promise.withResolvers<End>();
  const server = createServer((request, response) => {
    const end = ends[request.url?.split('?')[0] ?? ''];
    // no answer: the page stands still until its browser is killed
    if (end !== undefined) return void text(request).then((body) => ending.resolve(end(body)));
    answer({ folder, script }, request).then(
      (body) => response.end(body),
      (err: Error) => response.writeHead(500).end(err.message),
    );
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    async run({ messages, killAt }) {
      ending = Promise.withResolvers();
      const browser = openBrowser(profile, `http://127.0.0.1:${port}/?messages=${messages}&killAt=${killAt}`);
      const exited = once(browser, 'exit').then(
        (): End => ({ kind: 'failed', problem: 'the browser ended by itself' }),
      );
      const end = await Promise.race([ending.promise, exited]);
      kill(browser);
      await exited;
      return end;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await rm(profile, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

/** What the page says when it is to be killed. */
const ends: Readonly<Record<string, (body: string) => End>> = {
  '/kill': () => ({ kind: 'killed' }),
  '/ended': (callbacks) => ({ kind: 'ended', callbacks: Number(callbacks) }),
  '/failed': (problem) => ({ kind: 'failed', problem }),
};

/** Answers the page, its script, the first states of the devices, and the shelves. */
async function answer(
  { folder, script }: { folder: CrashFolder; script: string },
  request: IncomingMessage,
): Promise<string> {
  const [first = '', shelf = '', name = ''] = new URL(request.url ?? '', 'http://page').pathname.split('/').slice(1);
  if (first === 'states') return JSON.stringify(shelf === 'alice' ? folder.alice : folder.bob);
  if (first !== 'outside') return `<!doctype html><meta charset="utf-8"><script>${script}</script>`;
  const outside = createOutside(folder.path);
  if (request.method === 'PUT') await outside.write(shelf as Shelf, name, await text(request));
  else if (name === '') return JSON.stringify(await outside.list(shelf as Shelf));
  else return await outside.read(shelf as Shelf, name);
  return '';
}

function openBrowser(profile: string, url: string): ChildProcess {
  return spawn(chromiumPath() ?? '', [...flags, `--user-data-dir=${profile}`, url], {
    detached: true,
    stdio: 'ignore',
  });
}

/** Kills every process of a browser. */
function kill({ pid }: ChildProcess): void {
  if (pid !== undefined) process.kill(-pid, 'SIGKILL');
}
