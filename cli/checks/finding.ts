/** The result of one check of `vyry doctor`. */
export interface Finding {
  check: string;
  /** `warning`: it works but should be improved. `off`: not configured, which is allowed. */
  verdict: 'ok' | 'warning' | 'failed' | 'off';
  about: string;
  /** How to fix it. */
  advice?: string;
}

const checkMs = 15_000;

/**
 * Runs one check. An error or a timeout of 15 s fails the check. An invalid configuration is reported by
 * `checkConfiguration`; here the finding only says that the check did not run.
 */
export async function check(check: string, find: () => Promise<Finding[]>): Promise<Finding[]> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(new Error('No answer in time')), checkMs);
  try {
    return await Promise.race([find(), timeout.promise]);
  } catch (err) {
    const text = err instanceof Error ? err.message : String(err);
    const isBad = text.startsWith('Bad configuration');
    return [{ check, verdict: 'failed', about: isBad ? 'not checked: its configuration is invalid' : text }];
  } finally {
    clearTimeout(timer);
  }
}
