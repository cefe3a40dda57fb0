/**
 * Processes of this machine, identified by pid *and* start time, so that a process with a reused pid is never mistaken
 * for ours.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process: its name here, its pid, and an identity that includes its start time. */
export interface Sighting {
  name: string;
  pid: number;
  /** Opaque; equal only for the same process. */
  identity: string;
}

/** Returns the identity that distinguishes a process from all others with its pid; undefined when it does not run. */
export function identityOf(pid: number): string | undefined {
  return process.platform === 'linux' ? identityFromProc(pid) : identityFromPs(pid);
}

/** Returns whether exactly that process still runs. */
export function isRunning({ pid, identity }: Sighting): boolean {
  return identityOf(pid) === identity;
}

/** Ends a process and its group: SIGTERM, then SIGKILL after `graceMs`. Resolves when it has ended. */
export async function end(sighting: Sighting, graceMs: number): Promise<void> {
  if (!isRunning(sighting)) return;
  signalGroup(sighting.pid, 'SIGTERM');
  if (await isGoneWithin(sighting, graceMs)) return;
  signalGroup(sighting.pid, 'SIGKILL');
  await isGoneWithin(sighting, 5000);
}

/** Signals the process group that a pid leads, or only the pid when it leads none. Ignores a process that has ended. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, signal);
      return;
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== 'ESRCH') throw err;
    }
  }
}

async function isGoneWithin(sighting: Sighting, withinMs: number): Promise<boolean> {
  const until = Date.now() + withinMs;
  while (isRunning(sighting)) {
    if (Date.now() > until) return false;
    await sleep(20);
  }
  return true;
}

/**
 * proc(5): field 22 of the stat file is the start in clock ticks since boot; field 3 is Z for a process that has ended.
 */
function identityFromProc(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return fields[0] === 'Z' ? undefined : `${boot}/${fields[19]}`;
  } catch {
    return undefined;
  }
}

function identityFromPs(pid: number): string | undefined {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
}
