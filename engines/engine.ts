/** Types that all engines share. */
import type { DataFolder } from './data-folder.ts';

/** A running engine. One that is configured by its URL is never stopped or killed. */
export interface Engine {
  readonly name: string;
  readonly url: string;
  /** Its origin: `configured`, or the program that runs. */
  readonly source: string;
  /** Undefined for a configured engine. */
  readonly process?: EngineProcess;
}

/** The process of an engine that was started here. Closing its data folder stops it. */
export interface EngineProcess {
  readonly pid: number;
  /** Signals the process (SIGKILL by default) and resolves when it has ended; it is not restarted until `start()`. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts the same program on the same port and data; resolves when it answers. */
  start(): Promise<void>;
  /** Stops it permanently. */
  stop(): Promise<void>;
}

/** How an engine is started. */
export interface EngineOptions {
  folder: DataFolder;
  /** URL of an engine to use; nothing is started then. */
  url?: string | undefined;
  /** A free one by default. */
  port?: number | undefined;
  /** Restart it when it ends on its own. */
  keepAlive?: boolean;
}

/** Returns the engine at a URL, which is not started here. */
export function configured(name: string, url: string): Engine {
  return { name, url, source: 'configured' };
}
