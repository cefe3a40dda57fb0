/** Why TLS to an engine fails: the drivers report it as if the engine did not answer. */
import { connect, type SecureContext } from 'node:tls';
import type { TemporalTls } from '../../adapters/temporal/place.ts';
import { createTlsContext } from '../../platform/tls.ts';

/** What is wrong, and how to fix it. */
export interface Explanation {
  about: string;
  advice: string;
}

/** Where an engine listens, and with what its connections are encrypted. */
interface TlsEnd {
  /** The beginning of the names of its variables, such as `REDIS`. */
  prefix: string;
  /** `host:port` */
  address: string;
  tls: TemporalTls;
  /** Protocols to choose from (RFC 7301), where the server insists on one. */
  protocols?: string[];
}

/** Explanations of the errors of OpenSSL and Node for certificates of servers. */
export const certificateFaults: Readonly<Record<string, string>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another host',
  CERT_HAS_EXPIRED: 'the certificate has expired',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet',
};

/** Errors for certificates of servers whose authority is unknown. */
const untrusted = /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE)/;

const probeMs = 3000;
/** A server of TLS 1.3 refuses a client certificate only after the handshake. */
const refusalMs = 500;

/** Connects by TLS and returns what prevents it; undefined if nothing does, or nothing that concerns TLS. */
export async function explainTls({ prefix, address, tls, protocols }: TlsEnd): Promise<Explanation | undefined> {
  const { host, port } = placeOf(address);
  const attempt = { host, port, servername: tls.serverName, secureContext: createTlsContext(tls), protocols };
  const code = await codeOf(attempt);
  const fault = certificateFaults[code];
  if (fault !== undefined || untrusted.test(code)) {
    const name = prefix === 'TEMPORAL' ? ', or set TEMPORAL_SERVER_NAME' : '';
    return {
      about: `${fault ?? 'the certificate is not trusted'} (${code})`,
      advice: `Set its CA in ${prefix}_CA_FILE, and use the host name of the certificate${name}.`,
    };
  }
  if (/ALERT.*(CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE)/.test(code))
    return {
      about: `it refuses the client certificate, or wants one (${code})`,
      advice: `Set ${prefix}_CERT_FILE and ${prefix}_KEY_FILE to a certificate that it accepts.`,
    };
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/.test(code))
    return {
      about: 'the port has no TLS',
      advice: `Use the port for TLS, or none of the variables ${prefix}_CA and so on.`,
    };
  return undefined;
}

interface Attempt {
  host: string;
  port: number;
  servername: string | undefined;
  secureContext: SecureContext;
  protocols: string[] | undefined;
}

/** Returns the code of the error with which a connection ends, or an empty text. */
function codeOf({ protocols, servername, ...to }: Attempt): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({
      ...to,
      ...(servername !== undefined && { servername }),
      ...(protocols && { ALPNProtocols: protocols }),
    });
    const end = (code: string) => {
      socket.destroy();
      resolve(code);
    };
    socket.setTimeout(probeMs, () => end(''));
    socket.once('secureConnect', () => setTimeout(() => end(''), refusalMs));
    socket.once('error', (err: NodeJS.ErrnoException) => end(err.code ?? ''));
    socket.resume();
  });
}

function placeOf(address: string): { host: string; port: number } {
  const { hostname, port } = new URL(`tls://${address}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
}
