/** Writes `.env.example` from the table of variables: `npm run env-example`. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { roles, variablesOf } from '../platform/config.ts';

/** The text of `.env.example`: every variable with its meaning, the roles that hold it, and a value for development. */
export function envExample(): string {
  const seen = new Map(roles.flatMap((role) => variablesOf(role)));
  const blocks = [...seen].map(([name, { about, roles: holders, default: usual, example }]) => {
    const line = usual === undefined ? `${name}=${example ?? ''}` : `# ${name}=${usual}`;
    return `# ${about}\n# held by: ${holders.join(', ')}${usual === undefined ? '; required' : ''}\n${line}\n`;
  });
  return `${head}\n${blocks.join('\n')}`;
}

const head = `# Every variable of Vyry. Made by \`npm run env-example\` from platform/config.ts; values that are commented out are the defaults.
# Each may also be given as NAME_FILE, the path of a file that holds it. Sample secrets are refused in production.
`;

if (import.meta.main) writeFileSync(resolve(import.meta.dirname, '..', '.env.example'), envExample());
