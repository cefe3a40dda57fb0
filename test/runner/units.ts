/** Test files that share a process, by the variable that names them: most of them take longer to start than to run. */
import { join } from 'node:path';
import { projectFolder } from '../../engines/processes.ts';

for (const file of (process.env.VYRY_TEST_UNITS ?? '').split(',').filter(Boolean)) {
  await import(join(projectFolder, file));
}
