import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Certificate, type Certificates, createCertificates } from './directory/certificates.ts';
import { readSeed } from './directory/seed.ts';
import { freePort } from './ports.ts';

/** How a private directory is started. */
export interface DirectoryOptions {
  /** Holds configuration, data, certificates and log. A folder used before is started again on the same data. */
  folder: string;
  /** Port of `ldap://`; a free one without it. */
  port?: number;
  /** Offers StartTLS and `ldaps://` with a certificate of this kind; neither without it. */
  certificate?: Certificate;
  /** Port of `ldaps://`; a free one without it. */
  tlsPort?: number;
  /** Entries in addition to the demo people, as LDIF. */
  ldif?: string;
  /** Lines of slapd.conf(5) that come before the database: attribute types a test needs, limits. */
  configuration?: string;
}

/** A running private directory. */
export interface RunningDirectory {
  url: string;
  port: number;
  tlsUrl?: string;
  tlsPort?: number;
  /** The throw-away authority that signed the server's certificate, as PEM. */
  ca?: string;
  /** Where people are. */
  baseDn: string;
  bindDn: string;
  bindPassword: string;
  /** Log of slapd at level `stats`: every connection, bind and search filter. */
  logFile: string;
  pid: number;
  /** Resolves when the process has ended; the data stays in the folder. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const run = promisify(execFile);
const schemaFolder = '/etc/ldap/schema';
const moduleFolder = '/usr/lib/ldap';

/**
 * Starts a private OpenLDAP server on loopback with the demo people in it, and resolves when it answers.
 *
 * @throws {Error} when OpenLDAP is not installed (says how to get it) or does not start (with the end of its log)
 */
export async function startDirectory(options: DirectoryOptions): Promise<RunningDirectory> {
  const slapd = findProgram('slapd');
  const slapadd = findProgram('slapadd');
  await mkdir(join(options.folder, 'data'), { recursive: true });
  const tls = options.certificate && (await createCertificates(join(options.folder, 'tls'), options.certificate));
  const configurationFile = join(options.folder, 'slapd.conf');
  await writeFile(configurationFile, configuration(options, tls));
  await seed(slapadd, configurationFile, options);

  const port = options.port ?? (await freePort());
  const tlsPort = options.tlsPort ?? (await freePort());
  const url = `ldap://127.0.0.1:${port}`;
  const tlsUrl = `ldaps://127.0.0.1:${tlsPort}`;
  const logFile = join(options.folder, 'slapd.log');
  const listen = tls ? `${url}/ ${tlsUrl}/` : `${url}/`;
  const child = await spawnSlapd(slapd, ['-f', configurationFile, '-h', listen, '-d', 'stats'], logFile);
  await Promise.all([untilListening(port), tls && untilListening(tlsPort)]);
  const stop = () => stopSlapd(child);
  return {
    url,
    port,
    ...(tls && { tlsUrl, tlsPort, ca: tls.ca }),
    baseDn: 'ou=people,dc=example,dc=org',
    bindDn: 'cn=vyry,dc=example,dc=org',
    bindPassword: 'example-only-bind',
    logFile,
    pid: child.pid ?? 0,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Debian keeps servers in /usr/sbin, which is not on the path of every user. */
function findProgram(name: string): string {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  const found = folders.map((folder) => join(folder, name)).find((file) => existsSync(file));
  if (found && existsSync(schemaFolder)) return found;
  throw new Error(
    `OpenLDAP (${name}) is not installed: run \`apt-get install slapd\` (Debian), ` +
      'or set LDAP_URL to a directory of your own',
  );
}

function configuration(options: DirectoryOptions, tls: Certificates | undefined): string {
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
pidfile "${join(options.folder, 'slapd.pid')}"
loglevel 0
sizelimit 10
${encryption}
${options.configuration ?? ''}

database mdb
suffix dc=example,dc=org
rootdn cn=directory,dc=example,dc=org
directory "${join(options.folder, 'data')}"
maxsize 268435456
index objectClass,uid,mail,entryUUID eq
overlay memberof
overlay ppolicy
ppolicy_default cn=default,ou=policies,dc=example,dc=org
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=cn=vyry,dc=example,dc=org read by * none
`;
}

/** Fills an empty data folder, and one filled from other entries than today's. */
async function seed(slapadd: string, configurationFile: string, options: DirectoryOptions): Promise<void> {
  const ldif = await readSeed(options.ldif);
  const digest = createHash('sha256').update(ldif).digest('hex');
  const digestFile = join(options.folder, 'seed.sha256');
  const seeded = await readFile(digestFile, 'utf8').catch(() => '');
  if (seeded === digest) return;
  const data = join(options.folder, 'data');
  await rm(data, { recursive: true, force: true });
  await mkdir(data);
  const ldifFile = join(options.folder, 'seed.ldif');
  await writeFile(ldifFile, ldif);
  await run(slapadd, ['-q', '-f', configurationFile, '-l', ldifFile]);
  await writeFile(digestFile, digest);
}

/** Detached from the terminal's process group, so that Ctrl-C reaches it only through whoever started it. */
async function spawnSlapd(program: string, args: string[], logFile: string): Promise<ChildProcess> {
  const log = openSync(logFile, 'w');
  const child = spawn(program, args, { detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  const ended = once(child, 'exit').then(() => 'ended' as const);
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    if ((await readFile(logFile, 'utf8')).includes('slapd starting')) return child;
    if ((await Promise.race([ended, wait(20)])) === 'ended') break;
  }
  child.kill('SIGKILL');
  throw new Error(`slapd did not start:\n${(await readFile(logFile, 'utf8')).slice(-2000)}`);
}

async function stopSlapd(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
  await ended;
  clearTimeout(timer);
}

/**
 * slapd says that it starts before it listens. The table of the kernel is read, where there is one, in place of a
 * connection that would be counted in slapd's log.
 */
async function untilListening(port: number): Promise<void> {
  const address = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await wait(20)) {
    const table = await readFile('/proc/net/tcp', 'utf8').catch(() => undefined);
    const rows = table?.split('\n').map((line) => line.trim().split(/\s+/));
    if (rows === undefined || rows.some(([, local, , state]) => local === address && state === listening)) return;
  }
  throw new Error(`slapd does not listen on port ${port}`);
}

/** TCP_LISTEN in the kernel's table (Linux, proc_net_tcp). */
const listening = '0A';
