/** Loads the test files named by a variable into one process: most of them take longer to start than to run. */
import { join } from 'node:path';
import { projectFolder } from '../../engines/processes.ts';

for (const file of (process.env.VYRY_TEST_UNITS ?? '').split(',').filter(Boolean)) {
  await import(join(projectFolder, file));
}
