/** The page at `/app`: the files that `npm run web:build` wrote, read once. */
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, sep } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Express, RequestHandler, Response } from 'express';

/** A file of the page. */
interface WebFile {
  contents: Buffer;
  compressed?: Promise<Buffer>;
}

/** The files of the page by their paths below `/app/`. */
export type WebPage = ReadonlyMap<string, WebFile>;

/**
 * Only files of this origin, and no markup from strings: `require-trusted-types-for` refuses it, except to the two named
 * policies. Lit makes its templates with `lit-html`; the page makes the addresses of its workers with `vyry`.
 * https://w3c.github.io/trusted-types/dist/spec/ https://lit.dev/docs/security/
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "worker-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types lit-html vyry',
].join('; ');

/** The names of files in `assets/` contain a hash of their content. */
const immutable = 'public, max-age=31536000, immutable';

/** Reads the page from a folder; undefined if none was built there. */
export function readWebPage(folder: string): WebPage | undefined {
  const page = new Map(
    filesIn(folder).map((path) => [path.split(sep).join('/'), { contents: readFileSync(join(folder, path)) }]),
  );
  return page.has('index.html') ? page : undefined;
}

/** Serves the page and the addresses that lead into it, `/app` and `/app/link`. Returns its paths. */
export function serveWebPage(app: Express, page: WebPage): string[] {
  const files = [...page].map(([name, file]): [string, RequestHandler] => [`/app/${name}`, sendFile(name, file)]);
  const index = files.find(([path]) => path === '/app/index.html')?.[1];
  if (index === undefined) return [];
  const routes = [...files, ['/app', index] as const, ['/app/link', index] as const];
  for (const [path, handler] of routes) app.get(path, handler);
  return routes.map(([path]) => path);
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  } catch {
    return [];
  }
}

function sendFile(name: string, file: WebFile): RequestHandler {
  return async (req, res) => {
    res.type(extname(name)).set({
      'Content-Security-Policy': contentSecurityPolicy,
      'Cache-Control': name.startsWith('assets/') ? immutable : 'no-cache',
      Vary: 'Accept-Encoding',
    });
    // its scope is the page, whose address is above that of the script
    if (name === 'service-worker.js') res.set('Service-Worker-Allowed', '/app');
    if (/[.]png$/.test(name) || req.acceptsEncodings('gzip', 'identity') !== 'gzip')
      return void res.send(file.contents);
    await sendCompressed(res, file);
  };
}

async function sendCompressed(res: Response, file: WebFile): Promise<void> {
  file.compressed ??= promisify(gzip)(file.contents, { level: 9 });
  res.set('Content-Encoding', 'gzip').send(await file.compressed);
}
