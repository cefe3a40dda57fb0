/**
 * Lookup of passwords known from breaches, by k-anonymity. The service receives the first 20 bits of a SHA-1, which
 * hundreds of passwords share; the padding of the response hides how many.
 * https://haveibeenpwned.com/API/v3#PwnedPasswords
 *
 * Any web server that serves the files of the official downloader has the same API. Timeout: 2 s. If the service is
 * unavailable, calls throw and the caller decides.
 */
import { createHash } from 'node:crypto';
import { callTime } from '../platform/budget.ts';

/** The client of the service. */
export type BreachedPasswords = ReturnType<typeof connectBreachedPasswords>;

const timeoutMs = 2000;
const prefixLength = 5;

/** Creates the client; `url` is the base URL of the service, without `/range/`. */
export function connectBreachedPasswords(url: string) {
  return {
    /** Returns whether a password is known from a breach. @throws {Error} no response in time, or an unexpected one */
    async has(password: string): Promise<boolean> {
      const hash = createHash('sha1').update(password).digest('hex').toUpperCase();
      const response = await fetch(`${url.replace(/\/$/, '')}/range/${hash.slice(0, prefixLength)}`, {
        headers: { 'Add-Padding': 'true' },
        signal: AbortSignal.timeout(callTime(timeoutMs)),
        redirect: 'error',
      });
      if (!response.ok) throw new Error(`answers ${response.status}`);
      const lines = (await response.text()).split(/\r?\n/);
      // padding entries have the count 0
      return lines.some((line) => line.startsWith(`${hash.slice(prefixLength)}:`) && !/:0*$/.test(line));
    },
  };
}
