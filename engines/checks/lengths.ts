/** The length of source files. */
import { extname } from 'node:path';
import type { Finding, Source } from './finding.ts';

/** Above this a file has to become a folder. */
const linesMax = 600;

/** Above this a file is worth a look. */
const linesWarning = 400;

const codeTypes = new Set(['.ts', '.mjs', '.lua', '.go']);

/** Files that are one table of data, each with the reason why it stays in one piece. */
const tables: Record<string, string> = {};

/** Returns the files that are too long. */
export function checkLengths(sources: readonly Source[]): Finding[] {
  return sources.flatMap(({ file, text }) => {
    const lines = text.trimEnd().split('\n').length;
    if (!codeTypes.has(extname(file)) || lines <= linesWarning || file in tables) return [];
    const finding = { file, line: lines };
    return lines > linesMax
      ? [{ ...finding, message: `${lines} lines, ${linesMax} at most: split it by noun` }]
      : [{ ...finding, message: `${lines} lines, above ${linesWarning}`, isWarning: true as const }];
  });
}
