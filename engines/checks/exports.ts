/** Exports and files that nothing imports, found by knip (knip.json names the programs that start from outside). */
import type { Finding } from './finding.ts';
import { runProgram } from './program.ts';

interface Named {
  name: string;
  line?: number;
}

/** The part of knip's JSON report that is read. */
export interface KnipReport {
  issues: { file: string; files: Named[]; exports: Named[]; types: Named[]; duplicates: Named[][] }[];
}

/**
 * Runs knip on the project.
 *
 * @throws {Error} knip failed
 */
export async function checkExports(): Promise<Finding[]> {
  const { code, output, errors } = await runProgram('knip', ['--no-progress', '--no-config-hints', '--reporter=json']);
  if (code > 1) throw new Error(`knip failed: ${errors || output}`);
  return unusedIn(JSON.parse(output) as KnipReport);
}

/** Returns the findings of a report of knip. */
export function unusedIn({ issues }: KnipReport): Finding[] {
  return issues.flatMap(({ file, files, exports, types, duplicates }) => [
    ...files.map(() => ({ file, line: 1, message: 'nothing imports this file' })),
    ...[...exports, ...types].map(({ name, line = 1 }) => ({
      file,
      line,
      message: `no other file imports ${name}: remove it or its \`export\``,
    })),
    ...duplicates.map((names) => ({
      file,
      line: names[0]?.line ?? 1,
      message: `one value has two names: ${names.map(({ name }) => name).join(', ')}`,
    })),
  ]);
}
