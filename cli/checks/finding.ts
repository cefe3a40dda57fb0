/** What the doctor says of one thing. */
export interface Finding {
  check: string;
  /** `warning`: it works, and should be better. `off`: not configured, which is allowed. */
  verdict: 'ok' | 'warning' | 'failed' | 'off';
  about: string;
  /** What to do. */
  advice?: string;
}

const checkMs = 15_000;

/**
 * Examines one thing: what it throws, and no answer in time, is a failure of the check. A configuration that cannot be
 * read is told of by the check of the configuration; here it says only that nothing could be tried.
 */
export async function check(check: string, find: () => Promise<Finding[]>): Promise<Finding[]> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(new Error('No answer in time')), checkMs);
  try {
    return await Promise.race([find(), timeout.promise]);
  } catch (err) {
    const text = err instanceof Error ? err.message : String(err);
    const isBad = text.startsWith('Bad configuration');
    return [{ check, verdict: 'failed', about: isBad ? 'not tried: its configuration is bad' : text }];
  } finally {
    clearTimeout(timer);
  }
}
