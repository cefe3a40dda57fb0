/**
 * Builds the workflow bundle: `node workers/bundle.ts [file] [commit]`. Workers load it and need no compiler and no sources. A file
 * `build-id` beside it names the build, for WORKER_BUILD_ID.
 */
import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { failureConverterPath } from '../adapters/temporal/connect.ts';

const root = resolve(import.meta.dirname, '..');

/** Bundles all workflows with their interceptors, and writes the bundle to `file` and the build id beside it. */
async function writeBundle(file: string, commit: string | undefined): Promise<void> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../workflows/all.ts', import.meta.url)),
    workflowInterceptorModules: [fileURLToPath(new URL('../workflows/trace.ts', import.meta.url))],
    failureConverterPath: failureConverterPath(),
    logger: new DefaultLogger('ERROR'),
  });
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, code);
  await writeFile(join(dirname(file), 'build-id'), `${buildIdOf(code, commit)}\n`);
}

/**
 * Returns the name of a build: its commit, where that is known, and the digest of its workflows. The digest leaves out the
 * source map, which contains the paths of this folder, so that the same sources have the same name anywhere.
 */
export function buildIdOf(code: string, commit: string | undefined): string {
  const digest = hash('sha256', code.replace(/^\/\/# sourceMappingURL=.*$/m, ''), 'hex').slice(0, 12);
  return commit === undefined ? digest : `${commit.slice(0, 12)}-${digest}`;
}

/** Returns the commit of the working copy; undefined without one, as in the build of an image. */
function ownCommit(): string | undefined {
  try {
    const given = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] });
    return String(given).trim();
  } catch {
    return undefined;
  }
}

const [file = 'dist/workflows.js', commit] = process.argv.slice(2);
if (import.meta.main) await writeBundle(resolve(file), commit || ownCommit());
