/**
 * What of a file had reached the disk when a program was killed, by the system calls of the program as `strace` records them
 * (https://strace.io): the bytes that were written before the last completed `fdatasync` began. A power failure may keep
 * more than that, never less.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import type { DataFolder } from '../../engines/data-folder.ts';
import { debianProgram } from '../../engines/obtain.ts';

/** A running record of system calls. */
export interface SyncRecord {
  /** After the program ended: how many bytes of the file were on the disk for certain. */
  syncedBytes(): Promise<number>;
}

/** Begins to record what a process writes to a file. What the file has at that moment counts as being on the disk. */
export async function recordSyncs(
  folder: DataFolder,
  { pid, file, log }: { pid: number; file: string; log: string },
): Promise<SyncRecord> {
  const strace = await debianProgram('strace', ['strace'], folder);
  const before = statSync(file).size;
  const calls = '--trace=write,writev,fdatasync,fsync';
  const tracer = spawn(strace, ['-f', '-y', calls, '--signal=none', '-o', log, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(tracer, 'exit');
  await attached(tracer.stderr);
  return {
    async syncedBytes() {
      await ended;
      return before + syncedIn(readFileSync(log, 'utf8'), file);
    },
  };
}

async function attached(output: NodeJS.ReadableStream): Promise<void> {
  let text = '';
  for await (const part of output) {
    text += String(part);
    if (/attached/.test(text)) return output.resume() && undefined;
  }
  throw new Error(`strace did not start: ${text}`);
}

/** Returns the bytes that were written to a file before its last completed `fdatasync` began. */
function syncedIn(log: string, file: string): number {
  const progress = { written: 0, synced: 0, begun: new Map<string, number>() };
  for (const line of log.split('\n')) {
    if (line.includes(`<${file}>`)) noteCall(progress, line);
    else if (/fdatasync resumed.*= 0$/.test(line)) {
      progress.synced = Math.max(progress.synced, progress.begun.get(threadOf(line)) ?? 0);
    }
  }
  return progress.synced;
}

/** Notes a system call on the file. One that another thread interrupts in the log ends in a line without the file. */
function noteCall(progress: { written: number; synced: number; begun: Map<string, number> }, line: string): void {
  const written = /write\(.*= (\d+)$/.exec(line)?.[1];
  if (written !== undefined) progress.written += Number(written);
  else if (/fdatasync\(.*= 0$/.test(line)) progress.synced = progress.written;
  else if (line.includes('fdatasync(')) progress.begun.set(threadOf(line), progress.written);
}

function threadOf(line: string): string {
  return line.slice(0, line.indexOf(' '));
}
