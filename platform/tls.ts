/**
 * TLS to the engines: certificate authorities, client certificates and keys from the configuration.
 *
 * They are read again for each connection, so that a renewed certificate needs no restart: connections that are open stay,
 * and the next ones use what the files then contain.
 */
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import type { Secret } from './config/secret.ts';

/** The certificates and keys for one engine. */
export interface TlsFiles {
  /** The certificate authorities of the engine; by default those of Node and of the system. */
  ca?: Secret | undefined;
  /** The certificate by which this process is known to the engine. */
  cert?: Secret | undefined;
  /** The private key of `cert`. */
  key?: Secret | undefined;
}

/** The certificates and keys as they are now, as PEM. */
interface TlsTexts {
  ca: string;
  cert: string | undefined;
  key: string | undefined;
}

/** Returns whether any of them is configured. */
export function hasTlsFiles({ ca, cert, key }: TlsFiles): boolean {
  return ca !== undefined || cert !== undefined || key !== undefined;
}

/** Reads the files. Without an authority of its own, an engine is checked by those of Node and of the system. */
export function readTls({ ca, cert, key }: TlsFiles): TlsTexts {
  return { ca: ca?.reveal() ?? usualAuthorities(), cert: cert?.reveal(), key: key?.reveal() };
}

/**
 * Returns what connections of TLS are made with. Its content is that of the files when a connection begins; while they do not fit
 * together, as between the renewal of a certificate and that of its key, it is what it was.
 */
export function createTlsContext(files: TlsFiles): SecureContext {
  let latest: { texts: TlsTexts; context: SecureContext } | undefined;
  const current = () => {
    const texts = readTls(files);
    if (latest !== undefined && isSame(latest.texts, texts)) return latest.context;
    try {
      latest = { texts, context: createSecureContext(texts) };
    } catch (err) {
      if (latest === undefined) throw err;
    }
    return latest.context;
  };
  return {
    get context() {
      return current().context;
    },
  };
}

/** Returns whether the files still contain the same. */
function isSame(one: TlsTexts, other: TlsTexts): boolean {
  return one.ca === other.ca && one.cert === other.cert && one.key === other.key;
}

let usual: string | undefined;

function usualAuthorities(): string {
  usual ??= [...new Set([...getCACertificates('default'), ...getCACertificates('system')])].join('\n');
  return usual;
}
