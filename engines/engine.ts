/** What every engine has in common, wherever it runs. */
import type { DataFolder } from './data-folder.ts';

/** An engine that answers. One that was configured by its URL belongs to somebody else and is never stopped or killed. */
export interface Engine {
  readonly name: string;
  readonly url: string;
  /** How it was had: `configured`, or the program that runs. */
  readonly source: string;
  /** Undefined when it is configured. */
  readonly process?: EngineProcess;
}

/** The process of an engine that was started here. It is stopped with its data folder. */
export interface EngineProcess {
  readonly pid: number;
  /** Signals it (SIGKILL without a signal) and resolves when it has ended; it stays down until `start()`. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** The same program on the same port and data; resolves when it answers. */
  start(): Promise<void>;
  /** Ends it for good. */
  stop(): Promise<void>;
}

/** Where an engine is started and how. */
export interface EngineOptions {
  folder: DataFolder;
  /** Use the one at this URL and start nothing. */
  url?: string | undefined;
  /** A free one when left out. */
  port?: number | undefined;
  /** Start it again when it ends by itself. */
  keepAlive?: boolean;
}

/** An engine that somebody else runs. */
export function configured(name: string, url: string): Engine {
  return { name, url, source: 'configured' };
}
