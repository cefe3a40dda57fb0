/** Which Temporal is used, and how a process is known to it: certificates, an API key, or neither on a private network. */
import type { Config } from '../../platform/config/config.ts';
import type { TemporalRole } from '../../platform/config/roles.ts';
import type { Secret } from '../../platform/config/secret.ts';
import { hasTlsFiles, readTls, type TlsFiles } from '../../platform/tls.ts';

/** Address, namespace and identity. */
export interface TemporalPlace {
  /** `host:port` */
  address: string;
  namespace: string;
  /** Undefined: connections are not encrypted. */
  tls?: TemporalTls | undefined;
  /** Sent with each call. It has TLS. */
  apiKey?: Secret | undefined;
}

/** How connections are encrypted. */
export interface TemporalTls extends TlsFiles {
  /** The name in the certificate of the server, where it is not the host of the address. */
  serverName?: string | undefined;
}

type TemporalConfig = Pick<Config<TemporalRole>, Extract<keyof Config<TemporalRole>, `TEMPORAL_${string}`>>;

/** Reads from the configuration which Temporal is used. An API key never leaves without TLS. */
export function readTemporalPlace(config: TemporalConfig): TemporalPlace {
  const { TEMPORAL_SERVER_NAME: serverName, TEMPORAL_API_KEY: apiKey } = config;
  const files = { ca: config.TEMPORAL_CA, cert: config.TEMPORAL_CERT, key: config.TEMPORAL_KEY };
  const isSecure = config.TEMPORAL_TLS || hasTlsFiles(files) || serverName !== undefined || apiKey !== undefined;
  return {
    address: config.TEMPORAL_ADDRESS,
    namespace: config.TEMPORAL_NAMESPACE,
    tls: isSecure ? { ...files, serverName } : undefined,
    apiKey,
  };
}

/** The options of the SDK's native connection, which workers have. */
interface NativeOptions {
  address: string;
  tls?: {
    serverNameOverride?: string;
    serverRootCACertificate: Uint8Array;
    clientCertPair?: { crt: Uint8Array; key: Uint8Array };
  };
  apiKey?: string;
}

/** Returns the options of a native connection, with the certificates and the API key as they are now. */
export function nativeOptionsOf({ address, tls, apiKey }: TemporalPlace): NativeOptions {
  if (tls === undefined) return { address };
  const { ca, cert, key } = readTls(tls);
  return {
    address,
    tls: {
      ...(tls.serverName !== undefined && { serverNameOverride: tls.serverName }),
      serverRootCACertificate: Buffer.from(ca),
      ...(cert !== undefined &&
        key !== undefined && { clientCertPair: { crt: Buffer.from(cert), key: Buffer.from(key) } }),
    },
    ...(apiKey && { apiKey: apiKey.reveal() }),
  };
}
