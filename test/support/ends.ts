/** Loaded before every test file: one that does not end by itself fails, and says what holds it up. */
import { after } from 'node:test';

/** Time for what the file closes after its tests. */
const graceMs = 60_000;

// the runner that starts the files loads it too
if (process.env.NODE_TEST_CONTEXT !== undefined) {
  after(() => {
    const end = () => {
      console.error(`The file does not end by itself: ${process.getActiveResourcesInfo().join(', ')}`);
      process.exit(1);
    };
    // holds nothing up itself
    setTimeout(end, graceMs).unref();
  });
}
