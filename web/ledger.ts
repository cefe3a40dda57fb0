/** What the bytes of the page are made of: each library, the own code, the texts of a language. */
import { gzipSync } from 'node:zlib';
import type { Metafile } from 'esbuild';

/** A built file: its code, and the sources of it; none if it was not made of modules. */
export interface BuiltFile {
  contents: Uint8Array;
  inputs: Metafile['outputs'][string]['inputs'];
}

/** A part of the page. */
export interface Part {
  name: string;
  /** Bytes before compression. */
  minified: number;
  /** Its share of the compressed bytes of the files that it is in. */
  compressed: number;
}

const page = 'the page';
/** The own folders, the longest path first; everything else that is not a package is the client and what it imports. */
const folders = [
  ['web/texts/', 'texts of one language'],
  ['web/', page],
  ['client/crypto/', 'the client: encryption'],
] as const;

/** Returns the size of a file as a server sends it. */
export function compressedBytes(contents: Uint8Array): number {
  return gzipSync(contents, { level: 9 }).length;
}

/**
 * Divides files among the parts whose code they contain, the largest first. The compressed bytes of a file are divided in
 * proportion to what the code of each part has when it is compressed alone, so that they add up to what is loaded.
 */
export function ledgerOf(files: readonly BuiltFile[]): Part[] {
  const parts = new Map<string, Part>();
  for (const file of files) {
    const codes = codeByPart(file);
    const alone = new Map([...codes].map(([name, code]) => [name, compressedBytes(code)]));
    const sum = [...alone.values()].reduce((total, bytes) => total + bytes, 0);
    const all = compressedBytes(file.contents);
    for (const [name, code] of codes) {
      const part = parts.get(name) ?? { name, minified: 0, compressed: 0 };
      part.minified += code.length;
      part.compressed += (all * (alone.get(name) ?? 0)) / sum;
      parts.set(name, part);
    }
  }
  return [...parts.values()].sort((one, other) => other.compressed - one.compressed);
}

/** Cuts a file: esbuild writes the code of each source in one piece, in the order of its list, after the imports. */
function codeByPart({ contents, inputs }: BuiltFile): Map<string, Buffer> {
  const text = Buffer.from(contents);
  const sources = Object.entries(inputs);
  if (sources.length === 0) return new Map([[page, text]]);
  const codes = new Map<string, Buffer>();
  let at = /^(import\b[^;]*;)*/.exec(text.toString('latin1'))?.[0].length ?? 0;
  for (const [path, { bytesInOutput }] of sources) {
    const name = partOf(path);
    const code = text.subarray(at, at + bytesInOutput);
    codes.set(name, Buffer.concat([codes.get(name) ?? Buffer.alloc(0), code]));
    at += bytesInOutput;
  }
  return codes;
}

/** Returns the name of the part to which a source belongs. */
function partOf(path: string): string {
  const library = /.*\bnode_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
  return library ?? folders.find(([folder]) => path.startsWith(folder))?.[1] ?? 'the client: everything else';
}
