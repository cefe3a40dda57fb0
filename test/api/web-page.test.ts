import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import { createHttpApp, createHttpServer } from '../../api/http.ts';
import { readWebPage, serveWebPage } from '../../api/web-page.ts';
import { languages } from '../../web/texts.ts';
import { testWebPage } from '../support/engines.ts';

const page = readWebPage(testWebPage());
assert.ok(page);
const app = createHttpApp([]);
const paths = serveWebPage(app, page);
const server = createHttpServer(app);
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
after(() => server.close());
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

async function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(`${origin}${path}`, { headers });
}

describe('GET /app', () => {
  it('is a page without inline scripts and styles, whose policy allows only files of its origin', async () => {
    const answer = await get('/app');
    const html = await answer.text();
    assert.equal(answer.headers.get('content-type'), 'text/html; charset=utf-8');
    assert.equal(answer.headers.get('cache-control'), 'no-cache');
    const policy = answer.headers.get('content-security-policy') ?? '';
    assert.match(
      policy,
      /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;/,
    );
    assert.match(policy, /require-trusted-types-for 'script'; trusted-types lit-html vyry$/);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
    assert.doesNotMatch(html, /<style|<script(?![^>]* src=)|\son\w+=|\sstyle=/i);
  });

  it('names files that are there and may be cached for ever, compressed for those who accept it', async () => {
    const html = await (await get('/app')).text();
    const named = [...html.matchAll(/(?:src|href)="(\/app\/[^"]+)"/g)].map(([, path]) => path ?? '');
    assert.ok(named.some((path) => path.endsWith('.js')) && named.some((path) => path.endsWith('.css')));
    for (const path of named) {
      const answer = await get(path, { 'accept-encoding': 'identity' });
      assert.equal(answer.status, 200, path);
      const isImmutable = path.startsWith('/app/assets/');
      assert.equal(answer.headers.get('cache-control')?.includes('immutable'), isImmutable, path);
      assert.equal(answer.headers.get('content-encoding'), null);
    }
    const [script = ''] = named.filter((path) => path.endsWith('.js'));
    const compressed = await get(script, { 'accept-encoding': 'gzip' });
    assert.equal(compressed.headers.get('content-encoding'), 'gzip');
    assert.equal(compressed.headers.get('vary'), 'Accept-Encoding');
    assert.equal(compressed.headers.get('content-type'), 'text/javascript; charset=utf-8');
  });

  it('is also behind the address of a QR code', async () => {
    assert.equal(await (await get('/app/link')).text(), await (await get('/app')).text());
  });

  it('has a service worker for the whole page, and a manifest', async () => {
    assert.equal((await get('/app/service-worker.js')).headers.get('service-worker-allowed'), '/app');
    const manifest = await get('/app/manifest.webmanifest');
    assert.match(manifest.headers.get('content-type') ?? '', /^application\/manifest\+json/);
    const { icons } = (await manifest.json()) as { icons: { src: string }[] };
    for (const { src } of icons) assert.ok(paths.includes(src), src);
  });

  it('is not served from a folder without a page', () => {
    assert.equal(readWebPage('test/histories'), undefined);
  });
});

describe('the texts of the page', () => {
  it('have the same places for values in every language', async () => {
    const placesIn = (text: unknown, name = ''): [string, string[]][] =>
      typeof text === 'string'
        ? [[name, text.match(/\{\w+\}/g)?.sort() ?? []]]
        : Object.entries(text as object).flatMap(([part, inner]) => placesIn(inner, `${name}.${part}`));
    const english = placesIn(await languages.en.load());
    for (const { load, name } of Object.values(languages)) assert.deepEqual(placesIn(await load()), english, name);
  });
});
