import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startEstimator } from '../../api/estimator.ts';
import { permissionArguments } from '../../workers/permissions.ts';
import { linesOf, projectFolder, runNode } from '../support/node-process.ts';

/** Preloaded into the thread: prints which permissions it has, at each message. */
const report = `
  import { isMainThread, parentPort } from 'node:worker_threads';
  const scopes = ['worker', 'addon', 'child', 'net', 'fs.write'];
  const held = () => ({ held: scopes.filter((scope) => process.permission.has(scope)), variables: Object.keys(process.env) });
  if (!isMainThread) parentPort.on('message', () => console.log(JSON.stringify(held())));`;

describe('startEstimator()', () => {
  it('judges passwords, also by what others know of the user, and says why', async () => {
    await using estimator = startEstimator();
    const questions = [
      { password: 'password1', known: [] },
      { password: 'violet-harbour-engraves-93', known: [] },
      { password: 'violet-harbour-engraves-93', known: ['Violet-Harbour-Engraves'] },
      { password: 'abcdefgh', known: [] },
      { password: 'L@5tM0nd4y', known: [] },
      { password: 'drowssap1', known: [] },
      { password: '', known: [] },
      { password: '\ud800'.repeat(40), known: ['__proto__'] },
    ];
    const estimates = await Promise.all(questions.map((question) => estimator.estimate(question)));
    assert.deepEqual(
      estimates.map(({ score }) => score >= 3),
      [false, true, false, false, false, false, false, false],
    );
    assert.match(estimates[3]?.warning ?? '', /abc/);
  });

  it('gives up in its thread what it needs no more: no network, no programs, no threads, no variables', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vyry-estimator-'));
    const program = join(folder, 'program.ts');
    writeFileSync(
      program,
      `import { startEstimator } from '${projectFolder}/api/estimator.ts';
      await using estimator = startEstimator();
      for (const password of ['first', 'second']) await estimator.estimate({ password, known: [] });`,
    );
    const { stdout, stderr } = await runNode(
      [
        '--disable-warning=ExperimentalWarning',
        '--disable-warning=SecurityWarning',
        `--import=data:text/javascript,${encodeURIComponent(report)}`,
        ...permissionArguments(projectFolder, 'api/main.ts', { GEOIP_DATABASE: '', WEB_FOLDER: '' }),
        `--allow-fs-read=${folder}`,
        program,
      ],
      { env: { JWT_SECRET: 'of the api' } },
    );
    rmSync(folder, { recursive: true });
    assert.deepEqual(linesOf(stdout).at(-1), { held: [], variables: [] }, stderr);
  });
});
