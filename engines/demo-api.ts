/** The policy of a running system, and another api of it for registrations by another policy. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { variables } from '../platform/config/variables.ts';
import { startChild } from './child.ts';
import { openTemporaryFolder } from './data-folder.ts';
import { freePort } from './ports.ts';
import { compileCacheFolder, roleCommand } from './processes.ts';

/** Returns the steps of the policy of the system in a folder, or undefined when none runs there. */
export function policyIn(systemFolder: string): string[] | undefined {
  return variablesIn(systemFolder)?.REGISTRATION_STEPS?.split(/[\s,]+/);
}

/**
 * Starts another api of a running system, with a policy of its own (`REGISTRATION_STEPS`), until `act` is done. It shares
 * everything else with the system, whose own gRPC server answers the Signal-Server.
 *
 * @throws {Error} no system runs in the folder
 */
export async function withPolicy<T>(
  systemFolder: string,
  steps: string,
  act: (apiUrl: string) => Promise<T>,
): Promise<T> {
  const given = variablesIn(systemFolder);
  if (given === undefined) throw new Error('Vyry does not run here. Run npm start in another terminal and try again.');
  const [api, codec, grpc] = await Promise.all([freePort(), freePort(), freePort()]);
  const env = {
    ...given,
    REGISTRATION_STEPS: steps,
    SERVER_PORT: String(api),
    CODEC_PORT: String(codec),
    GRPC_PORT: String(grpc),
  };
  const folder = await openTemporaryFolder();
  try {
    await startChild(folder, { name: 'api', ...roleCommand('api', env, compileCacheFolder) });
    return await act(`http://127.0.0.1:${api}`);
  } finally {
    await folder.close();
  }
}

function variablesIn(systemFolder: string): Record<string, string> | undefined {
  const file = join(systemFolder, 'operator.env');
  if (!existsSync(file)) return undefined;
  const given = parseEnv(readFileSync(file, 'utf8')) as Record<string, string>;
  return { REGISTRATION_STEPS: variables.REGISTRATION_STEPS.default, ...given };
}
