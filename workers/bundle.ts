/** Builds the workflow bundle: `node workers/bundle.ts [file]`. Workers load it and need no compiler and no sources. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { failureConverterPath } from '../adapters/temporal/connect.ts';

/** Bundles all workflows with their interceptors and writes the bundle to `file`. */
async function writeBundle(file: string): Promise<void> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../workflows/all.ts', import.meta.url)),
    workflowInterceptorModules: [fileURLToPath(new URL('../workflows/trace.ts', import.meta.url))],
    failureConverterPath: failureConverterPath(),
    logger: new DefaultLogger('ERROR'),
  });
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, code);
}

if (import.meta.main) await writeBundle(resolve(process.argv[2] ?? 'dist/workflows.js'));
