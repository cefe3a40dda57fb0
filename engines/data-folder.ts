/**
 * The folder of one starter: the data and logs of what it runs, and a record of its processes.
 *
 * `processes.json` lists the starter and every process it started. The next starter that opens the folder stops the
 * processes of a starter that was killed, and refuses to open the folder while that starter runs.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { end, identityOf, isRunning, type Sighting, signalGroup } from './process-table.ts';

/** A data folder held by this process. Closing it stops everything that was started in it, the last first. */
export interface DataFolder extends AsyncDisposable {
  readonly path: string;
  readonly logs: string;
  /** Aborted when closing begins: starts in progress give up. */
  readonly signal: AbortSignal;
  /** Prints a line on the console. */
  say(line: string): void;
  /** Records a process, so that it is stopped even if this one is killed. */
  record(name: string, pid: number): void;
  /** Removes a process from the record. */
  forget(pid: number): void;
  /** Records a folder elsewhere that is deleted when this one is closed, even if this process is killed. */
  recordFolder(path: string): void;
  /** Registers a function to run when the folder is closed, before all that were registered earlier. */
  onClose(stop: () => Promise<void>): void;
  /** Stops everything that was started in the folder, deletes the recorded folders and releases it. */
  close(): Promise<void>;
  /** Kills everything that still runs, so that a close in progress ends at once. */
  killAll(): void;
}

/** Thrown for a folder that another running starter holds. */
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

/** Time for a leftover process to stop before it is killed. */
const leftoverGraceMs = 5000;

/**
 * Opens a data folder. Creates it when it does not exist, and stops the leftover processes of an earlier starter.
 *
 * @throws {FolderInUse} another starter holds the folder
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
 * Opens a new temporary folder for tests; closing deletes it. First stops and deletes the leftovers of temporary
 * folders whose process was killed.
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

/** Removes abandoned temporary folders. A folder without a record belongs to a starter that is just starting. */
async function sweep(parent: string): Promise<void> {
  for (const path of readdirSync(parent).map((name) => join(parent, name))) {
    const starter = readRecord(join(path, 'processes.json'))?.starter;
    if (starter === undefined || isRunning(starter)) continue;
    try {
      await (await openDataFolder(path)).close();
      rmSync(path, { recursive: true, force: true });
    } catch (err) {
      // another process sweeps it at this moment, or has just done so
      if (!(err instanceof FolderInUse) && (err as NodeJS.ErrnoException).code !== 'ENOENT') throw err;
    }
  }
}

/** Writes a file atomically: a reader sees the old or the new content, never a part. */
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
