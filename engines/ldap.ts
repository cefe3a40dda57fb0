/** A private OpenLDAP server for development and tests. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Child, startChild } from './child.ts';
import type { DataFolder } from './data-folder.ts';
import { type Certificate, type Certificates, createCertificates } from './directory/certificates.ts';
import { readSeed } from './directory/seed.ts';
import { findProgram } from './obtain.ts';
import { freePort } from './ports.ts';
import { runTool } from './tools.ts';

/** How a private directory is started. */
export interface DirectoryOptions {
  /** Port of `ldap://`; a free one by default. */
  port?: number;
  /** Serves StartTLS and `ldaps://` with a certificate of this kind; neither by default. */
  certificate?: Certificate;
  /** Port of `ldaps://`; a free one by default. */
  tlsPort?: number;
  /** Entries in addition to the demo people, as LDIF. */
  ldif?: string;
  /** Lines of slapd.conf(5) that come before the database: attribute types a test needs, limits. */
  configuration?: string;
  /** Restart it when it ends on its own. */
  keepAlive?: boolean;
}

/** A running private directory. */
export interface RunningDirectory {
  url: string;
  port: number;
  tlsUrl?: string;
  tlsPort?: number;
  /** The temporary authority that signed the server's certificate, as PEM. */
  ca?: string;
  /** Base DN of people. */
  baseDn: string;
  bindDn: string;
  bindPassword: string;
  /** Its log, at level `stats`, contains every connection, bind and search filter. */
  process: Child;
}

const schemaFolder = '/etc/ldap/schema';
const moduleFolder = '/usr/lib/ldap';

/**
 * Starts a private OpenLDAP server on loopback with the demo people and resolves when it answers. Configuration, data
 * and certificates are in `ldap` of the folder; in a folder used before, it starts on the same data.
 *
 * @throws {Error} OpenLDAP is not installed (the message says how to get it) or does not start (the message quotes its
 * log)
 */
export async function startDirectory(folder: DataFolder, options: DirectoryOptions = {}): Promise<RunningDirectory> {
  const { keepAlive = false } = options;
  const [slapd, slapadd] = [programOf('slapd'), programOf('slapadd')];
  const path = join(folder.path, 'ldap');
  await mkdir(join(path, 'data'), { recursive: true });
  const tls = options.certificate && (await createCertificates(join(path, 'tls'), options.certificate));
  const configurationFile = join(path, 'slapd.conf');
  await writeFile(configurationFile, configuration(path, options, tls));
  await seed(folder, slapadd, path, options.ldif);

  const port = options.port ?? (await freePort());
  const tlsPort = options.tlsPort ?? (await freePort());
  const url = `ldap://127.0.0.1:${port}`;
  const tlsUrl = `ldaps://127.0.0.1:${tlsPort}`;
  const process = await startChild(folder, {
    name: 'slapd',
    command: slapd,
    args: ['-f', configurationFile, '-h', tls ? `${url}/ ${tlsUrl}/` : `${url}/`, '-d', 'stats'],
    ready: (output) => Promise.all([expectListening(port, output), tls && expectListening(tlsPort, output)]),
    keepAlive,
  });
  return {
    url,
    port,
    ...(tls && { tlsUrl, tlsPort, ca: tls.ca }),
    baseDn: 'ou=people,dc=example,dc=org',
    bindDn: 'cn=vyry,dc=example,dc=org',
    bindPassword: 'example-only-bind',
    process,
  };
}

/** @throws {Error} OpenLDAP is not installed; the message says how to get it */
function programOf(name: string): string {
  const found = findProgram(name);
  if (found && existsSync(schemaFolder)) return found;
  throw new Error(
    `OpenLDAP (${name}) is not installed: run \`apt-get install slapd\` (Debian), ` +
      'or set LDAP_URL to your own directory',
  );
}

function configuration(path: string, options: DirectoryOptions, tls: Certificates | undefined): string {
  const encryption = tls
    ? `TLSCertificateFile "${tls.certificateFile}"\nTLSCertificateKeyFile "${tls.keyFile}"`
    : '# Neither StartTLS nor ldaps://';
  return `include ${schemaFolder}/core.schema
include ${schemaFolder}/cosine.schema
include ${schemaFolder}/inetorgperson.schema
modulepath ${moduleFolder}
moduleload back_mdb
moduleload memberof
moduleload ppolicy
pidfile "${join(path, 'slapd.pid')}"
loglevel 0
sizelimit 10
${encryption}
${options.configuration ?? ''}

database mdb
suffix dc=example,dc=org
rootdn cn=directory,dc=example,dc=org
directory "${join(path, 'data')}"
maxsize 268435456
index objectClass,uid,mail,entryUUID eq
overlay memberof
overlay ppolicy
ppolicy_default cn=default,ou=policies,dc=example,dc=org
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=cn=vyry,dc=example,dc=org read by * none
`;
}

/** Loads the entries into a data folder that is empty or was loaded from other entries. */
async function seed(folder: DataFolder, slapadd: string, path: string, more: string | undefined): Promise<void> {
  const ldif = await readSeed(more);
  const digest = createHash('sha256').update(ldif).digest('hex');
  const digestFile = join(path, 'seed.sha256');
  const seeded = await readFile(digestFile, 'utf8').catch(() => '');
  if (seeded === digest) return;
  const data = join(path, 'data');
  await rm(data, { recursive: true, force: true });
  await mkdir(data);
  const ldifFile = join(path, 'seed.ldif');
  await writeFile(ldifFile, ldif);
  await runTool(folder, slapadd, ['-q', '-f', join(path, 'slapd.conf'), '-l', ldifFile]);
  await writeFile(digestFile, digest);
}

/**
 * Checks that slapd listens; it logs its start before that. Where the kernel's table of sockets exists, it is read
 * instead of making a connection, which would appear in slapd's log.
 *
 * @throws {Error} slapd does not listen there yet
 */
async function expectListening(port: number, output: () => string): Promise<void> {
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const table = await readFile('/proc/net/tcp', 'utf8').catch(() => undefined);
  const rows = table?.split('\n').map((line) => line.trim().split(/\s+/));
  const isListening = rows === undefined || rows.some(([, local, , state]) => local === address && state === listening);
  if (!isListening || !output().includes('slapd starting')) throw new Error(`slapd does not listen on port ${port}`);
}

/** TCP_LISTEN in the kernel's table (Linux, proc_net_tcp). */
const listening = '0A';
