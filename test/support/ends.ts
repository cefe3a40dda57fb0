/** Loaded before every test file: fails a file that does not exit on its own, and prints what keeps it open. */
import { after } from 'node:test';

/** Time in which a file closes its resources after its tests. */
const graceMs = 60_000;

// the runner that starts the files loads this module too
if (process.env.NODE_TEST_CONTEXT !== undefined) {
  after(() => {
    const end = () => {
      console.error(`The file does not exit on its own: ${process.getActiveResourcesInfo().join(', ')}`);
      process.exit(1);
    };
    // unref: this timer must not keep the process alive
    setTimeout(end, graceMs).unref();
  });
}
