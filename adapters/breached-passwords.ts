/**
 * Passwords that are known from breaches, asked by k-anonymity: the service learns the first 20 bits of a SHA-1 that
 * hundreds of passwords share, and the padding of its answer hides how many.
 * https://haveibeenpwned.com/API/v3#PwnedPasswords
 *
 * A folder of the files of its downloader behind any web server speaks the same. Timeout: 2 s. Away: throws; whoever asks
 * decides.
 */
import { createHash } from 'node:crypto';

export type BreachedPasswords = ReturnType<typeof connectBreachedPasswords>;

const timeoutMs = 2000;
const prefixLength = 5;

/** Creates the asker; `url` is that of the service, without `/range/`. */
export function connectBreachedPasswords(url: string) {
  return {
    /** Tells whether a password is known. @throws {Error} the service does not answer as documented */
    async has(password: string): Promise<boolean> {
      const hash = createHash('sha1').update(password).digest('hex').toUpperCase();
      const response = await fetch(`${url.replace(/\/$/, '')}/range/${hash.slice(0, prefixLength)}`, {
        headers: { 'Add-Padding': 'true' },
        signal: AbortSignal.timeout(timeoutMs),
        redirect: 'error',
      });
      if (!response.ok) throw new Error(`answers ${response.status}`);
      const lines = (await response.text()).split(/\r?\n/);
      // padding has the count 0
      return lines.some((line) => line.startsWith(`${hash.slice(prefixLength)}:`) && !/:0*$/.test(line));
    },
  };
}
