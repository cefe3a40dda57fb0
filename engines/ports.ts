/** Ports of this machine: free ones, and a clear word when one that was asked for is taken. */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below what operating systems hand out to outgoing connections, so that nothing can slip onto the port of an engine
 * while it is being restarted.
 */
const range = { min: 10_240, max: 32_767 };

/** A port nothing listens on; two calls never give the same one within a process. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 1000; tries++) {
    const port = randomInt(range.min, range.max + 1);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`No free port between ${range.min} and ${range.max}`);
}

/**
 * The port that was asked for, or a free one when none was.
 *
 * @throws {Error} the port is taken; names it and what wanted it
 */
export async function claimPort(name: string, wanted: number | undefined): Promise<number> {
  if (wanted === undefined || wanted === 0) return await freePort();
  if (await isFree(wanted)) return wanted;
  throw new Error(`Port ${wanted} for ${name} is taken: stop what listens there or choose another`);
}

/**
 * The port that was asked for; without one, the usual port when it is free, else any free one.
 *
 * @throws {Error} the port that was asked for is taken
 */
export async function preferPort(name: string, wanted: number | undefined, usual: number): Promise<number> {
  return await claimPort(name, wanted ?? ((await isFree(usual)) ? usual : undefined));
}

/** Whether nothing listens on the port, neither on loopback nor on all addresses. */
export async function isFree(port: number): Promise<boolean> {
  return (await canListen(port, '127.0.0.1')) && (await canListen(port, '0.0.0.0'));
}

const given = new Set<number>();

function canListen(port: number, host: string): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => done(true)));
  });
}
