#!/usr/bin/env -S node --
/**
 * `npx vyry`: the operator's tool, run like the npm scripts with the packaged Node (engines/setup.mjs). `--` in the
 * first line keeps Node from reading `--env-file`.
 */
process.argv.splice(2, 0, 'cli/main.ts');
await import('./setup.mjs');
