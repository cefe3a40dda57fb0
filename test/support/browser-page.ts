/** Pages of tests: TypeScript of this project, bundled, in a Chromium. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import type { Page } from 'playwright-core';
import { openChromium } from '../../engines/chromium.ts';
import { projectFolder } from '../../engines/processes.ts';

/**
 * Returns the script of a page. One that is counted has no async functions: each of its awaits calls `then` of a promise.
 */
export async function bundlePage(path: string, { isCounted = false } = {}): Promise<string> {
  const built = await build({
    entryPoints: [path],
    absWorkingDir: projectFolder,
    bundle: true,
    write: false,
    format: 'iife',
    supported: isCounted ? { 'async-await': false, 'async-generator': false, 'for-await': false } : {},
    target: 'chrome120',
  });
  return (built.outputFiles[0]?.text ?? '').replaceAll('</script', '<\\/script');
}

/** Functions that a page offers to its test as `globalThis.commands`. */
type Commands = Readonly<Record<string, (...args: never[]) => Promise<unknown>>>;

/** A tab. */
interface Tab<C extends Commands> {
  page: Page;
  /** Calls a command of the page. Arguments and result are JSON. */
  call<K extends keyof C & string>(name: K, ...args: Parameters<C[K]>): Promise<Awaited<ReturnType<C[K]>>>;
}

/** A browser whose tabs share what it stores for their origin. */
interface Tabs<C extends Commands> extends AsyncDisposable {
  origin: string;
  open(): Promise<Tab<C>>;
}

/** Serves a page at a loopback address, which browsers trust as they trust https, and starts a browser for it. */
export async function openTabs<C extends Commands>(path: string): Promise<Tabs<C>> {
  const html = `<!doctype html><meta charset="utf-8"><script>${await bundlePage(path)}</script>`;
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end(html));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const browser = await openChromium();
  const context = await browser.newContext();
  return {
    origin,
    async open() {
      const page = await context.newPage();
      await page.goto(origin);
      return {
        page,
        call: (name, ...args) => page.evaluate(callCommand, { name, args }) as ReturnType<Tab<C>['call']>,
      };
    },
    async [Symbol.asyncDispose]() {
      await browser.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Runs in the page. */
async function callCommand({ name, args }: { name: string; args: unknown[] }): Promise<unknown> {
  const { commands } = globalThis as unknown as { commands: Record<string, (...args: unknown[]) => Promise<unknown>> };
  return await commands[name]?.(...args);
}
