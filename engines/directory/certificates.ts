/** Certificates of the private directory: valid ones, and ones that clients must refuse. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A kind of server certificate. Clients must refuse every kind except `valid`. */
export type Certificate = 'valid' | 'wrong-host' | 'expired' | 'self-signed';

/** A temporary certificate authority and a server certificate: PEM files, and the authority as text for clients. */
export interface Certificates {
  ca: string;
  caFile: string;
  certificateFile: string;
  keyFile: string;
}

const run = promisify(execFile);

/**
 * Creates an authority and a certificate for `localhost` and 127.0.0.1 in a folder, or a certificate with the requested
 * fault.
 *
 * @throws {Error} the `openssl` command is missing or fails
 */
export async function createCertificates(folder: string, certificate: Certificate): Promise<Certificates> {
  await mkdir(folder, { recursive: true });
  const files = {
    caFile: join(folder, 'ca.pem'),
    certificateFile: join(folder, 'server.pem'),
    keyFile: join(folder, 'server-key.pem'),
  };
  const caKeyFile = join(folder, 'ca-key.pem');
  const request = join(folder, 'server.csr');
  const extensions = join(folder, 'server.ext');
  const names = certificate === 'wrong-host' ? 'DNS:elsewhere.example' : 'DNS:localhost,IP:127.0.0.1';
  await writeFile(extensions, `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`);
  await openssl('req', '-x509', ...newKey(caKeyFile, 'Vyry test authority'), '-days', '30', '-out', files.caFile);
  await openssl('req', ...newKey(files.keyFile, 'localhost'), '-out', request);
  const signer =
    certificate === 'self-signed'
      ? ['-signkey', files.keyFile]
      : ['-CA', files.caFile, '-CAkey', caKeyFile, '-CAcreateserial'];
  const days = certificate === 'expired' ? '-1' : '30';
  await openssl(
    ...['x509', '-req', '-in', request, ...signer, '-days', days],
    ...['-extfile', extensions, '-out', files.certificateFile],
  );
  return { ...files, ca: await readFile(files.caFile, 'utf8') };
}

/** A certificate of a client and its private key, as PEM files. */
export interface ClientCertificate {
  certificateFile: string;
  keyFile: string;
}

/**
 * Creates a certificate of a client by the authority that `createCertificates` made in the folder, in files of this name. Files
 * that exist are replaced: this is how a certificate is renewed.
 *
 * @throws {Error} the `openssl` command is missing or fails
 */
export async function createClientCertificate(folder: string, name: string): Promise<ClientCertificate> {
  const files = { certificateFile: join(folder, `${name}.pem`), keyFile: join(folder, `${name}-key.pem`) };
  const request = join(folder, `${name}.csr`);
  const extensions = join(folder, `${name}.ext`);
  // with an extension it is of version 3, which the SDK of Temporal requires
  await writeFile(extensions, 'extendedKeyUsage=clientAuth\n');
  await openssl('req', ...newKey(files.keyFile, name), '-out', request);
  await openssl(
    ...['x509', '-req', '-in', request, '-CA', join(folder, 'ca.pem'), '-CAkey', join(folder, 'ca-key.pem')],
    ...['-CAcreateserial', '-days', '30', '-extfile', extensions, '-out', files.certificateFile],
  );
  return files;
}

function newKey(file: string, commonName: string): string[] {
  return [
    ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
    ...['-keyout', file, '-subj', `/CN=${commonName}`],
  ];
}

async function openssl(...args: string[]): Promise<void> {
  try {
    await run('openssl', args);
  } catch (err) {
    throw new Error('openssl could not create a test certificate; is it installed?', { cause: err });
  }
}
