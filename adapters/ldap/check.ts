import { Outage } from './answer.ts';
import { subCode } from './bind-result.ts';
import { type DirectoryOptions, filterFor, targetsOf } from './connect.ts';
import { Connection, type Target } from './connection.ts';

/** How far one server lets the service account come, and why no further. */
export interface ServerFinding {
  url: string;
  /** Where it stopped; undefined when everything works. */
  stoppedAt?: 'connection' | 'bind' | 'base' | 'search';
  /** An `OutageReason`. */
  reason?: string;
  /** Result code of the server (RFC 4511 appendix A), or the error code of TLS. */
  detail?: string;
  /** Active Directory's own code for a refused bind, in hexadecimal. */
  subCode?: string;
}

/** Tries every server of a directory step by step, over connections of its own; nothing is changed there. */
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
