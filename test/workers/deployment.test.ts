import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildIdOf } from '../../workers/bundle.ts';
import { versionOptions } from '../../workers/deployment.ts';

describe('The version of a worker', () => {
  it('is off without WORKER_DEPLOYMENT, and needs a build id with it', () => {
    assert.deepEqual(versionOptions({ WORKER_DEPLOYMENT: undefined, WORKER_BUILD_ID: 'a' }), {});
    assert.throws(() => versionOptions({ WORKER_DEPLOYMENT: 'vyry', WORKER_BUILD_ID: undefined }), /WORKER_BUILD_ID/);
    const { workerDeploymentOptions: options } = versionOptions({ WORKER_DEPLOYMENT: 'vyry', WORKER_BUILD_ID: 'a' });
    assert.deepEqual(options?.version, { deploymentName: 'vyry', buildId: 'a' });
    assert.equal(options?.defaultVersioningBehavior, 'PINNED');
  });

  it('is named by the commit and by the workflows, wherever they were bundled', () => {
    const bundled = (folder: string, code = 'code') => `${code}\n//# sourceMappingURL=data:${folder}\n`;
    const id = buildIdOf(bundled('/a'), '0123456789abcdef');
    assert.match(id, /^0123456789ab-[0-9a-f]{12}$/);
    assert.equal(buildIdOf(bundled('/b'), '0123456789abcdef'), id);
    assert.notEqual(buildIdOf(bundled('/a', 'other'), '0123456789abcdef'), id);
    assert.equal(buildIdOf(bundled('/a'), undefined), id.slice(13));
  });
});
