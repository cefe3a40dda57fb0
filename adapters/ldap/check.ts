import { Outage } from './answer.ts';
import { subCode } from './bind-result.ts';
import { type DirectoryOptions, targetsOf } from './connect.ts';
import { Connection, type Target } from './connection.ts';
import { filterFor } from './filters.ts';

/** The result of checking one server. */
export interface ServerFinding {
  url: string;
  /** The stage that failed; undefined if everything works. */
  stoppedAt?: 'connection' | 'bind' | 'base' | 'search';
  /** An `OutageReason`. */
  reason?: string;
  /** Result code of the server (RFC 4511 appendix A) or TLS error code. */
  detail?: string;
  /** Error code of Active Directory for a refused bind, in hexadecimal. */
  subCode?: string;
}

/** Checks every server of a directory in stages, over separate connections. It changes nothing in the directory. */
export function checkDirectory(options: DirectoryOptions): Promise<ServerFinding[]> {
  return Promise.all(targetsOf(options).map((target) => checkServer(target, options)));
}

async function checkServer(target: Target, options: DirectoryOptions): Promise<ServerFinding> {
  const { url } = target;
  const connection = new Connection(target);
  let step: NonNullable<ServerFinding['stoppedAt']> = 'connection';
  try {
    await connection.open();
    step = 'bind';
    const bind = await connection.bind(options.bindDn, options.bindPassword.reveal());
    if (bind.code !== 0) {
      const hidden = subCode(bind.diagnostic);
      const detail = String(bind.code);
      return { url, stoppedAt: step, reason: 'service-bind-refused', detail, ...(hidden && { subCode: hidden }) };
    }
    step = 'base';
    await connection.search(options.baseDn, { scope: 'base', filter: '(objectClass=*)', attributes: ['1.1'] });
    step = 'search';
    const filter = filterFor(options.userFilter, 'nobody-by-this-name');
    await connection.search(options.baseDn, { scope: 'sub', filter, sizeLimit: 2, attributes: ['1.1'] });
    return { url };
  } catch (err) {
    if (!(err instanceof Outage)) throw err;
    return { url, stoppedAt: step, reason: err.reason, ...(err.detail && { detail: err.detail }) };
  } finally {
    await connection.close();
  }
}
