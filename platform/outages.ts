/**
 * Outages of dependencies. An error is one because the client that raised it says so: it notes its error here, or
 * recognizes its own classes and codes. The words of an error decide nothing, because other systems use the same ones.
 */

/** The systems whose outages end a request. */
export type Dependency = 'redis' | 'mongodb' | 'temporal' | 'elasticsearch';

/** A dependency that does not work, and why, in kebab-case. The reason is for operators. */
export interface Outage {
  dependency: Dependency;
  reason: string;
}

const noted = new WeakMap<object, Outage>();

/** Notes that an error is an outage, and returns the error. */
export function noteOutage<E>(err: E, outage: Outage): E {
  if (typeof err === 'object' && err !== null) noted.set(err, outage);
  return err;
}

/** Returns the outage that a client has noted of an error or of one of its causes; undefined for any other error. */
export function notedOutage(err: unknown): Outage | undefined {
  // few, so that causes that form a circle end
  for (let cause = err, depth = 0; cause instanceof Error && depth < 8; cause = cause.cause, depth++) {
    const outage = noted.get(cause);
    if (outage !== undefined) return outage;
  }
  return undefined;
}
