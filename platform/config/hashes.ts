/**
 * What a process was configured with, as keyed hashes: whether and which variables changed since the last start of its role
 * can be told, and no value can be guessed.
 */
import { createHmac } from 'node:crypto';
import type { KeyRing } from '../keyring.ts';
import { ownEnvironment } from './config.ts';
import type { Role } from './roles.ts';
import { variablesOf } from './variables.ts';

/** Keyed hashes of the variables of a role, by name; those without a value are left out. */
export interface ConfigurationHashes {
  /** The key of the hashes. */
  keyId: string;
  variables: Readonly<Record<string, string>>;
}

/** What a start of a process records of its configuration. */
export interface ConfigurationChange {
  /** One hash for all variables: equal for equal configurations. */
  fingerprint: string;
  /** The names of the variables whose value is another one than at the last start of the role; undefined if there was none. */
  changed?: string[];
}

/** Returns the hashes of the variables of a role, as they are in the environment: HMAC-SHA-256, 96 bits, hexadecimal. */
export function hashConfiguration(role: Role, keys: KeyRing, env = ownEnvironment()): ConfigurationHashes {
  const key = keys.lasting('configuration');
  const hashOf = (text: string) => createHmac('sha256', key).update(text).digest('hex').slice(0, 24);
  const names = variablesOf(role).flatMap(([name]) => (env[name] ? [name] : []));
  const variables = Object.fromEntries(names.sort().map((name) => [name, hashOf(`${name} ${env[name]}`)]));
  return { keyId: hashOf(''), variables };
}

/** Compares the configuration of a start with that of the last one. With another key, only `KEYS` is known to differ. */
export function compareConfigurations(now: ConfigurationHashes, before?: ConfigurationHashes): ConfigurationChange {
  const fingerprint = Object.entries(now.variables).map(([name, hash]) => `${name} ${hash}`);
  const change = {
    fingerprint: createHmac('sha256', now.keyId).update(fingerprint.join('\n')).digest('hex').slice(0, 24),
  };
  if (before === undefined) return change;
  if (before.keyId !== now.keyId) return { ...change, changed: ['KEYS'] };
  const names = new Set([...Object.keys(now.variables), ...Object.keys(before.variables)]);
  return { ...change, changed: [...names].filter((name) => now.variables[name] !== before.variables[name]).sort() };
}
