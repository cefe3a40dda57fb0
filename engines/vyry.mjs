#!/usr/bin/env node
/** `npx vyry`: the operator's tool, under the packaged Node, as the npm scripts run (engines/setup.mjs). */
process.argv.splice(2, 0, 'cli/main.ts');
await import('./setup.mjs');
