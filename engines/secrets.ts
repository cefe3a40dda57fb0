/** The secrets of a private system, generated once and kept in its folder. */
import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { newVapidPrivateKey } from '../adapters/http/webpush.ts';
import { writeWhole } from './data-folder.ts';

const bytes = (length: number) => randomBytes(length).toString('base64');
const makers = {
  PAYLOAD_KEY: () => bytes(32),
  DATA_KEY: () => bytes(32),
  AUDIT_KEY: () => bytes(32),
  REDIS_ACL_KEY: () => bytes(32),
  JWT_SECRET: () => bytes(48),
  VAPID_PRIVATE_KEY: newVapidPrivateKey,
} satisfies Record<string, () => string>;

/** Values of the secret variables, by name. */
export type Secrets = Record<keyof typeof makers, string>;

/** Reads `secrets.json` of the folder (mode 600) and generates missing secrets. */
export function readSecrets(folder: string): Secrets {
  const file = join(folder, 'secrets.json');
  const known = readKnown(file);
  const secrets = Object.fromEntries(
    Object.entries(makers).map(([name, make]) => [name, known[name] ?? make()]),
  ) as Secrets;
  writeWhole(file, `${JSON.stringify(secrets, null, 2)}\n`);
  chmodSync(file, 0o600);
  return secrets;
}

function readKnown(file: string): Record<string, string> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>;
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new Error(`${file} cannot be read; delete it for new secrets (old data becomes unreadable)`, { cause: err });
  }
}
