/** Returns the files that a file depends on: through imports, started processes and files it reads. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { projectFolder } from '../../engines/processes.ts';

/** Returns the project files that a file depends on, including itself. Paths are relative to the project. */
export type Needs = (file: string) => ReadonlySet<string>;

/** Files that are started as processes, by the file that starts them. */
const started: Record<string, readonly string[]> = {
  'engines/processes.ts': ['workers/*.ts', 'api/main.ts', 'workflows/*.ts'],
  'test/support/roles.ts': ['workers/*.ts', 'api/main.ts', 'workflows/*.ts'],
  'test/support/time-skipping.ts': ['workflows/*.ts'],
  'test/support/workflow-scene.ts': ['workflows/*.ts'],
  'test/support/vyry.ts': ['cli/*.ts'],
};

const sources = ['**/*.ts', '**/*.mjs'];
const ignored = ['node_modules/**', '**/dist/**', '.vyry/**'];

/** Reads the imports of all source files. */
export function readImportGraph(): Needs {
  const files = globSync(sources, { cwd: projectFolder, exclude: ignored });
  const others = globSync('**/*.*', { cwd: projectFolder, exclude: [...ignored, ...sources] });
  const edges = new Map(files.map((file) => [file, [...importsOf(file), ...readsOf(file, others), ...startsOf(file)]]));
  return (file) => {
    const needed = new Set([file]);
    for (const one of needed) for (const next of edges.get(one) ?? []) needed.add(next);
    return needed;
  };
}

function importsOf(file: string): string[] {
  const specifiers = textOf(file).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
  return [...specifiers]
    .map(([, path = '']) => relative(projectFolder, resolve(projectFolder, dirname(file), path)))
    .filter((path) => existsSync(join(projectFolder, path)));
}

/** Scripts, tables and pages whose name a source has in quotes, with or without extension. */
function readsOf(file: string, others: readonly string[]): string[] {
  const words = new Set([...textOf(file).matchAll(/['"`/]([\w.-]+)['"`]/g)].map(([, word]) => word));
  return others.filter((other) => words.has(basename(other)) || words.has(basename(other).replace(/\.\w+$/, '')));
}

function startsOf(file: string): string[] {
  return (started[file] ?? []).flatMap((pattern) => globSync(pattern, { cwd: projectFolder }));
}

function textOf(file: string): string {
  return readFileSync(join(projectFolder, file), 'utf8');
}
