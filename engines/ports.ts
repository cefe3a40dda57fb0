/** Ports of this machine: finds free ones, and reports a requested port that is taken. */
import { randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { identityOf } from './process-table.ts';

/**
 * Below the ephemeral ports of operating systems, so that no outgoing connection takes the port of an engine while it
 * restarts.
 */
const range = { min: 10_240, max: 32_767 };

/**
 * Returns a port on which nothing listens. While this process lives no call returns it again, in this or another
 * process of the same user, so that it can be kept for a process that starts later or restarts.
 */
export async function freePort(): Promise<number> {
  for (let attempts = 0; attempts < 1000; attempts++) {
    const port = randomInt(range.min, range.max + 1);
    // reserve first: of two processes that try the same port only one continues
    if (!reserve(port)) continue;
    if (await isFree(port)) return port;
  }
  throw new Error(`No free port between ${range.min} and ${range.max}`);
}

/**
 * Returns the requested port, or any free one without a request.
 *
 * @throws {Error} the port is taken; the message names the port and what needs it
 */
export async function claimPort(name: string, wanted: number | undefined): Promise<number> {
  if (wanted === undefined || wanted === 0) return await freePort();
  if (await isFree(wanted)) return wanted;
  throw new Error(`Port ${wanted} for ${name} is taken: stop what listens there or choose another`);
}

/**
 * Returns the requested port; without a request the usual port when it is free, else any free one. Like `freePort`, it
 * reserves a usual port: a first start listens minutes later, and another start may look for ports meanwhile.
 *
 * @throws {Error} the requested port is taken
 */
export async function preferPort(name: string, wanted: number | undefined, usual: number): Promise<number> {
  if (wanted !== undefined) return await claimPort(name, wanted);
  return reserve(usual) && (await isFree(usual)) ? usual : await freePort();
}

/** Returns whether nothing listens on the port, neither on loopback nor on all addresses. */
async function isFree(port: number): Promise<boolean> {
  return (await canListen(port, '127.0.0.1')) && (await canListen(port, '0.0.0.0'));
}

/** One file for each reserved port, with the process that reserved it. */
const reservations = join(tmpdir(), `vyry-ports-${userInfo().uid}`);
const reserved = new Set<string>();

function reserve(port: number): boolean {
  if (reserved.size === 0) {
    mkdirSync(reservations, { recursive: true });
    process.once('exit', () => {
      for (const file of reserved) rmSync(file, { force: true });
    });
  }
  const file = join(reservations, String(port));
  if (reserved.has(file)) return false;
  if (!writeReservation(file)) {
    removeIfAbandoned(file);
    if (!writeReservation(file)) return false;
  }
  reserved.add(file);
  return true;
}

/** Returns false if there is a reservation. */
function writeReservation(file: string): boolean {
  try {
    writeFileSync(file, JSON.stringify({ pid: process.pid, identity: identityOf(process.pid) }), { flag: 'wx' });
    return true;
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'EEXIST') throw err;
    return false;
  }
}

/** Removes the reservation of a process that was killed. */
function removeIfAbandoned(file: string): void {
  try {
    const { pid, identity } = JSON.parse(readFileSync(file, 'utf8')) as { pid: number; identity: string };
    if (identityOf(pid) !== identity) rmSync(file, { force: true });
  } catch {
    // being written, or removed meanwhile
  }
}

function canListen(port: number, host: string): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => done(true)));
  });
}
