/**
 * The folder of one starter: data and logs of what it runs, and the record by which nothing is left behind.
 *
 * `processes.json` names the starter and everything it started. Whoever opens the folder next stops what a starter
 * that was killed has left, and refuses when the starter still lives.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { end, identityOf, isRunning, type Sighting, signalGroup } from './process-table.ts';

/** A data folder that this process holds. Closing it stops everything that was started in it, last first. */
export interface DataFolder extends AsyncDisposable {
  readonly path: string;
  readonly logs: string;
  /** Aborted when closing begins: what still starts gives up. */
  readonly signal: AbortSignal;
  /** Tells the person at the console. */
  say(line: string): void;
  /** Notes a process, so that it is stopped even if this one is killed. */
  record(name: string, pid: number): void;
  forget(pid: number): void;
  /** Notes a folder elsewhere that is to be deleted when this one is closed, even if this process is killed. */
  recordFolder(path: string): void;
  /** Runs when the folder is closed, before everything that was added earlier. */
  onClose(stop: () => Promise<void>): void;
  close(): Promise<void>;
  /** Kills everything that still runs, so that a close under way ends at once. */
  killAll(): void;
}

/** A folder that another live starter holds. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse';
  readonly pid: number;

  constructor(folder: string, pid: number) {
    super(`Vyry already runs in ${folder} (process ${pid})`);
    this.pid = pid;
  }
}

interface ProcessRecord {
  starter: Sighting;
  started: Sighting[];
  folders: string[];
}

/** How long a left-over process may take to stop before it is killed. */
const leftoverGraceMs = 5000;

/**
 * Opens a data folder, making it when it is not there and stopping what an earlier starter has left.
 *
 * @throws {FolderInUse}
 */
export async function openDataFolder(folder: string, say: (line: string) => void = () => {}): Promise<DataFolder> {
  const path = resolve(folder);
  const logs = join(path, 'logs');
  const file = join(path, 'processes.json');
  mkdirSync(logs, { recursive: true, mode: 0o700 });
  await stopLeftovers(path, file, say);

  const record: ProcessRecord = { starter: sight('starter', process.pid), started: [], folders: [] };
  let isClosed = false;
  const save = () => {
    if (!isClosed) writeWhole(file, JSON.stringify(record, null, 2));
  };
  save();
  const abort = new AbortController();
  const stops: (() => Promise<void>)[] = [];
  let closing: Promise<void> | undefined;

  async function closeAll(): Promise<void> {
    abort.abort(new Error('Stopped'));
    for (const stop of stops.reverse()) await stop().catch((err: unknown) => say(`While stopping: ${String(err)}`));
    isClosed = true;
    deleteFolders(record.folders);
    rmSync(file, { force: true });
  }

  function close(): Promise<void> {
    closing ??= closeAll();
    return closing;
  }

  return {
    path,
    logs,
    signal: abort.signal,
    say,
    record(name, pid) {
      record.started.push(sight(name, pid));
      save();
    },
    forget(pid) {
      record.started = record.started.filter((known) => known.pid !== pid);
      save();
    },
    recordFolder(path) {
      record.folders.push(path);
      save();
    },
    onClose: (stop) => stops.push(stop),
    close,
    killAll() {
      for (const { pid } of record.started) signalGroup(pid, 'SIGKILL');
    },
    [Symbol.asyncDispose]: close,
  };
}

/**
 * Opens a new folder among the system's temporary files, for tests; closing deletes it. What earlier ones have left
 * behind, because their process was killed, is stopped and deleted first.
 */
export async function openTemporaryFolder(say?: (line: string) => void): Promise<DataFolder> {
  const parent = join(tmpdir(), `vyry-tests-${userInfo().uid}`);
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  await sweep(parent);
  const folder = await openDataFolder(mkdtempSync(join(parent, 'run-')), say);
  const close = async () => {
    await folder.close();
    rmSync(folder.path, { recursive: true, force: true });
  };
  return { ...folder, close, [Symbol.asyncDispose]: close };
}

/** A folder without a record is one whose starter is just being born. */
async function sweep(parent: string): Promise<void> {
  for (const path of readdirSync(parent).map((name) => join(parent, name))) {
    const starter = readRecord(join(path, 'processes.json'))?.starter;
    if (starter === undefined || isRunning(starter)) continue;
    try {
      await (await openDataFolder(path)).close();
      rmSync(path, { recursive: true, force: true });
    } catch (err) {
      // Somebody else sweeps it at this moment, or has just done so.
      if (!(err instanceof FolderInUse) && (err as NodeJS.ErrnoException).code !== 'ENOENT') throw err;
    }
  }
}

/** Writes a file so that a reader sees the old or the new whole, never half. */
export function writeWhole(file: string, content: string, mode = 0o600): void {
  const temporary = `${file}.${process.pid}`;
  writeFileSync(temporary, content, { mode });
  renameSync(temporary, file);
}

async function stopLeftovers(path: string, file: string, say: (line: string) => void): Promise<void> {
  const left = readRecord(file);
  if (left === undefined) return;
  if (isRunning(left.starter)) throw new FolderInUse(path, left.starter.pid);
  for (const process of left.started.reverse()) {
    if (!isRunning(process)) continue;
    say(`Stopping ${process.name} (process ${process.pid}), left by a start that was killed`);
    await end(process, leftoverGraceMs);
  }
  deleteFolders(left.folders);
}

function deleteFolders(paths: readonly string[] = []): void {
  for (const path of paths) rmSync(path, { recursive: true, force: true });
}

function sight(name: string, pid: number): Sighting {
  return { name, pid, identity: identityOf(pid) ?? '' };
}

function readRecord(file: string): ProcessRecord | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ProcessRecord;
  } catch {
    return undefined;
  }
}
