/**
 * Builds the page at `/app`: `node web/build.ts [folder]`, or `npm run web:build`. Prints the size of what it wrote, by file
 * and by what it is made of.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';
import { compressedBytes, ledgerOf, type Part } from './ledger.ts';

/** The most bytes, compressed with gzip: until the first screen can be used, and in all with one language. */
export const bytesMax = { first: 60_000, all: 112_000 } as const;

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
  setup({ onLoad, onResolve, resolve: resolveAsUsual }) {
    // Engine.IO exports them by their names too
    onResolve({ filter: /^[.]\/transports\/(polling|webtransport)/ }, async ({ path, pluginData, ...from }) => {
      if (pluginData === 'resolved') return undefined;
      return { ...(await resolveAsUsual(path, { ...from, pluginData: 'resolved' })), sideEffects: false };
    });
    onLoad({ filter: /engine[.]io-client[\\/]build[\\/]esm[\\/]transports[\\/]index[.]js$/ }, () => ({
      contents: "import { WS } from './websocket.js'; export const transports = { websocket: WS };",
      loader: 'js',
    }));
  },
};

/** The sizes of a built page, compressed with gzip and with the largest language. */
export interface WebSizes {
  /** Bytes until the first screen can be used. */
  first: number;
  /** Bytes in all, without the detector of QR codes. */
  all: number;
  /** Bytes of that detector, which only some browsers load, with the camera. */
  detector: number;
  /** What all of them are made of. */
  parts: readonly Part[];
  /** For people. */
  report: string;
}

/** Builds the files of the page. @throws {Error} a source is wrong */
export async function buildWeb(): Promise<WebSizes & { files: WebFiles }> {
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
  return { files, ...sizesOf(files, { ...page.metafile.outputs, ...workers.metafile.outputs }) };
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

/** What is loaded only when a camera is started in a browser that has no detector of QR codes. */
const detectorEntry = 'node_modules/qr/decode.js';
/** What is loaded before the first screen can be used. The rest of the client follows while a person reads it. */
const firstEntries = ['web/main.ts', 'web/styles.css', 'web/screens.ts', 'client/indexed-db-store.ts'];

/** Adds up what a person loads, with the largest language. */
function sizesOf(files: WebFiles, outputs: Metafile['outputs']): WebSizes {
  const builtAs = new Map(Object.keys(outputs).map((path) => [fileOf(path), path]));
  const entriesIn = (isWanted: (entry: string) => boolean) =>
    Object.keys(outputs).filter((path) => isWanted(outputs[path]?.entryPoint ?? ''));
  const sizes = Object.entries(files)
    .filter(([path]) => /[.](js|css|html)$/.test(path))
    .map(([path, contents]) => ({ path, bytes: compressedBytes(contents) }))
    .sort((one, other) => other.bytes - one.bytes);
  const isLanguage = new Set(entriesIn((entry) => entry.startsWith('web/texts/')).map(fileOf));
  const [language, ...otherLanguages] = sizes.filter(({ path }) => isLanguage.has(path));
  const isDetector = new Set(entriesIn((entry) => entry === detectorEntry).map(fileOf));
  const loaded = sizes.filter((size) => !otherLanguages.includes(size) && !isDetector.has(size.path));
  const first = new Set(['index.html', language?.path]);
  for (const path of withImports(
    outputs,
    entriesIn((entry) => firstEntries.includes(entry)),
  ))
    first.add(fileOf(path));
  const parts = ledgerOf(
    loaded.map(({ path }) => {
      const { inputs = {} } = outputs[builtAs.get(path) ?? ''] ?? {};
      return { contents: files[path] ?? new Uint8Array(), inputs };
    }),
  );
  const sum = (ones: typeof sizes) => ones.reduce((total, size) => total + size.bytes, 0);
  const totals = {
    first: sum(loaded.filter(({ path }) => first.has(path))),
    all: sum(loaded),
    detector: sum(sizes.filter(({ path }) => isDetector.has(path))),
  };
  const lines = sizes.map(({ path, bytes }) => line(bytes, `${path}${first.has(path) ? ' *' : ''}`));
  return { ...totals, parts, report: [...lines, '', ...reportOf(totals, parts)].join('\n') };
}

function reportOf({ first, all, detector }: Omit<WebSizes, 'parts' | 'report'>, parts: readonly Part[]): string[] {
  return [
    ...parts.map(({ name, minified, compressed }) => line(compressed, `${name} (${minified} before compression)`)),
    '',
    line(first, `until the first screen (*), at most ${bytesMax.first}`),
    line(all, `in all, with one language, at most ${bytesMax.all}`),
    line(detector, 'more when a camera is started in a browser without a detector of QR codes'),
  ];
}

/** Returns the name of a file of the page, as those of `WebFiles`. */
function fileOf(output: string): string {
  return /-\w{8}[.]\w+$/.test(output) ? `assets/${basename(output)}` : basename(output);
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

function line(bytes: number, what: string): string {
  return `${String(Math.round(bytes)).padStart(8)}  ${what}`;
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
