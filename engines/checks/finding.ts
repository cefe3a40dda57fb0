/** What a check of the code returns, and the files it reads. */
import { globSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { projectFolder } from '../processes.ts';

/** One violation of a rule. */
export interface Finding {
  /** Path in the project. */
  file: string;
  /** Counted from 1. */
  line: number;
  message: string;
  /** It is printed and does not fail the check. */
  isWarning?: true;
}

/** A text file of the project. */
export interface Source {
  /** Path in the project. */
  file: string;
  text: string;
}

const ignored = new Set(['node_modules', 'dist', '.vyry', '.git']);

/** Names that `**` does not match. */
const hidden = ['.ci/*', '.dependency-cruiser.mjs', '.dockerignore', '.env.example'];

const textTypes = new Set(
  '.cjs .css .example .env .go .html .js .json .ldif .lua .md .mjs .proto .ts .tsv .yaml .yml'.split(' '),
);

/** Reads the text files of the project that people write. */
export function readSources(): Source[] {
  return globSync(['**/*', ...hidden], { cwd: projectFolder, exclude: (name) => ignored.has(name) })
    .filter((file) => (extname(file) === '' ? /(^|\/)(Dockerfile|run)$/.test(file) : textTypes.has(extname(file))))
    .filter((file) => file !== 'package-lock.json')
    .sort()
    .map((file) => ({ file, text: readFileSync(join(projectFolder, file), 'utf8') }));
}

/** Returns the line of a position in a text, counted from 1. */
export function lineAt(text: string, position: number): number {
  return text.slice(0, position).split('\n').length;
}
