#!/usr/bin/env -S node --
/** `npx vyry`: the operator's tool, under the packaged Node, as the npm scripts run (engines/setup.mjs). `--` keeps Node from `--env-file`. */
process.argv.splice(2, 0, 'cli/main.ts');
await import('./setup.mjs');
