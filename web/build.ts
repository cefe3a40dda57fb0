/** Builds the page at `/app`: `node web/build.ts [folder]`, or `npm run web:build`. Prints the size of what it wrote. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';

/** Bytes until the first screen can be used, compressed with gzip. */
export const bytesMax = 60_000;

const source = import.meta.dirname;
const root = resolve(source, '..');

/** The files of the page by their paths below `/app`. Those in `assets/` have a hash of their content in their name. */
export type WebFiles = Record<string, Uint8Array>;

const common = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  // Arabic as escapes is three times as long
  charset: 'utf8',
  write: false,
  metafile: true,
  format: 'esm',
  platform: 'browser',
  // Lit, Web Locks, light-dark() and logical properties need no older ones
  target: ['chrome125', 'firefox128', 'safari17.5'],
  legalComments: 'none',
  logLevel: 'warning',
} satisfies BuildOptions;

/**
 * The client reads a few columns of contract/, whose schemas need zod. The page gets what its module evaluates to, and no
 * schema.
 */
const evaluatedContract: Plugin = {
  name: 'evaluated-contract',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]client[\\/]operations[.]ts$/ }, async ({ path }) => {
      const module: Record<string, unknown> = await import(pathToFileURL(path).href);
      const constants = Object.entries(module).map(
        ([name, value]) => `export const ${name} = ${JSON.stringify(value)};`,
      );
      return { contents: constants.join('\n'), loader: 'js' };
    });
  },
};

/**
 * The hybrid KEMs of noble are created when their module is loaded, also those of the NIST curves, which the client does
 * not use. Marked as pure, esbuild leaves them out with their curves: 8 kB compressed.
 */
const unusedKems: Plugin = {
  name: 'unused-kems',
  setup({ onLoad }) {
    onLoad({ filter: /@noble[\\/]post-quantum[\\/]hybrid[.]js$/ }, async ({ path }) => {
      const code = await readFile(path, 'utf8');
      const contents = code.replace(/(?<!function )\b(QSF|createKitchenSink|ecdhKem)\(/g, '/* @__PURE__ */ $1(');
      return { contents, loader: 'js' };
    });
  },
};

/** The server speaks WebSocket only; the other transports of Engine.IO are left out. */
const webSocketOnly: Plugin = {
  name: 'websocket-only',
  setup({ onLoad }) {
    onLoad({ filter: /engine[.]io-client[\\/]build[\\/]esm[\\/]transports[\\/]index[.]js$/ }, () => ({
      contents: "import { WS } from './websocket.js'; export const transports = { websocket: WS };",
      loader: 'js',
    }));
  },
};

/** Builds the files of the page; `bytes` are those until the first screen. @throws {Error} a source is wrong */
export async function buildWeb(): Promise<{ files: WebFiles; bytes: number; report: string }> {
  const page = await build({
    ...common,
    entryPoints: ['web/main.ts', 'web/styles.css'],
    outdir: 'assets',
    entryNames: 'assets/[name]-[hash]',
    chunkNames: 'assets/[name]-[hash]',
    splitting: true,
    plugins: [evaluatedContract, unusedKems, webSocketOnly],
  });
  // workers have a name without a hash: the page names them, and the browser compares them with each visit
  const workers = await build({
    ...common,
    entryPoints: ['web/service-worker.ts', 'web/captcha-worker.ts'],
    outdir: 'assets',
  });
  const files: WebFiles = {};
  for (const { path, contents } of page.outputFiles) files[`assets/${basename(path)}`] = contents;
  for (const { path, contents } of workers.outputFiles) files[basename(path)] = contents;
  files['index.html'] = Buffer.from(await indexOf(page.metafile));
  for (const name of ['manifest.webmanifest', 'icons/icon.svg', 'icons/icon-192.png', 'icons/icon-512.png']) {
    files[basename(name)] = await readFile(join(source, name));
  }
  return { files, ...sizesOf(files, page.metafile) };
}

/** Puts the names of the built files into the places of index.html. */
async function indexOf({ outputs }: Metafile): Promise<string> {
  const html = await readFile(join(source, 'index.html'), 'utf8');
  return html.replace(/\{([\w.]+)\}/g, (_, entry) => {
    const output = Object.entries(outputs).find(([, { entryPoint }]) => entryPoint === `web/${entry}`)?.[0];
    if (output === undefined) throw new Error(`index.html names ${entry}, which is not built`);
    return `/app/assets/${basename(output)}`;
  });
}

/** What is loaded before the first screen can be used. The rest of the client follows while a person reads it. */
const firstEntries = ['web/main.ts', 'web/styles.css', 'web/screens.ts', 'client/indexed-db-store.ts'];

/** Adds up what a person loads, with the largest language: until the first screen can be used, and in all. */
function sizesOf(files: WebFiles, { outputs }: Metafile): { bytes: number; report: string } {
  const fileOf = (path: string) => `assets/${basename(path)}`;
  const entriesIn = (isWanted: (entry: string) => boolean) =>
    Object.keys(outputs).filter((path) => isWanted(outputs[path]?.entryPoint ?? ''));
  const sizes = Object.entries(files)
    .filter(([path]) => /[.](js|css|html)$/.test(path))
    .map(([path, contents]) => ({ path, bytes: gzipSync(contents, { level: 9 }).length }))
    .sort((one, other) => other.bytes - one.bytes);
  const isLanguage = new Set(entriesIn((entry) => entry.startsWith('web/texts/')).map(fileOf));
  const [language, ...otherLanguages] = sizes.filter(({ path }) => isLanguage.has(path));
  const first = new Set(['index.html', language?.path]);
  for (const path of withImports(
    outputs,
    entriesIn((entry) => firstEntries.includes(entry)),
  ))
    first.add(fileOf(path));
  const sum = (ones: typeof sizes) => ones.reduce((total, size) => total + size.bytes, 0);
  const bytes = sum(sizes.filter(({ path }) => first.has(path)));
  const all = sum(sizes.filter((size) => !otherLanguages.includes(size)));
  const lines = sizes.map((size) => `${line(size.bytes)}  ${size.path}${first.has(size.path) ? ' *' : ''}`);
  const limit = `${line(bytes)}  until the first screen (*), at most ${bytesMax}`;
  return { bytes, report: [...lines, limit, `${line(all)}  in all, with one language`].join('\n') };
}

/** Returns outputs with all that they import statically. */
function withImports(outputs: Metafile['outputs'], paths: string[]): Set<string> {
  const found = new Set(paths);
  for (const path of found) {
    for (const { path: imported, kind } of outputs[path]?.imports ?? []) {
      if (kind === 'import-statement') found.add(imported);
    }
  }
  return found;
}

function line(bytes: number): string {
  return String(bytes).padStart(8);
}

/** The index comes last: a page that it names is complete. */
async function write(folder: string, files: WebFiles): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  const inOrder = Object.entries(files).sort(([path]) => (path === 'index.html' ? 1 : -1));
  for (const [path, contents] of inOrder) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, contents);
  }
}

if (import.meta.main) {
  const folder = resolve(process.argv[2] ?? join(root, 'dist', 'web'));
  const { files, report } = await buildWeb();
  await write(folder, files);
  console.log(`${report}\nwritten to ${relative(process.cwd(), folder) || '.'}`);
}
