/**
 * Argon2id (RFC 9106) in native code, with the parameters of OWASP: by the package `@node-rs/argon2`, which uses the
 * vector instructions of the processor, and where it has no binary for the platform by `argon2`, which takes two to three
 * times as long. Each verifies the PHC strings of the other.
 *
 * Both compute in the thread pool of libuv, which also serves files and host names.
 */

/** Argon2id in one package. `pepper` is a key that is not stored in the database (RFC 9106 section 3.1, secret value). */
export interface Argon2 {
  /** The name of the package. */
  package: string;
  /** Returns a PHC string with a salt of its own. */
  hash(secret: string | Buffer, pepper: Buffer): Promise<string>;
  /** Returns whether a secret matches a PHC string, whatever its parameters. @throws {Error} it is no PHC string */
  verify(phc: string, secret: string, pepper: Buffer): Promise<boolean>;
}

/** OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane. */
const parameters = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** The number of Argon2id in both packages. */
const argon2id = 2;

/** Loads `@node-rs/argon2`. @throws {Error} it has no binary for this platform */
export async function loadRust(): Promise<Argon2> {
  const { hash, verify } = await import('@node-rs/argon2');
  return {
    package: '@node-rs/argon2',
    hash: (secret, pepper) => hash(secret, { ...parameters, algorithm: argon2id, secret: pepper }),
    verify: (phc, secret, pepper) => verify(phc, secret, { secret: pepper }),
  };
}

/** Loads `argon2`. @throws {Error} it has no binary for this platform */
export async function loadC(): Promise<Argon2> {
  // biome-ignore lint/style/noProcessEnv: its loader otherwise probes a system file, which our permissions refuse
  process.env.LIBC ??= cLibrary();
  const { hash, verify } = await import('argon2');
  return {
    package: 'argon2',
    hash: (secret, pepper) => hash(secret, { ...parameters, type: argon2id, secret: pepper }),
    verify: (phc, secret, pepper) => verify(phc, secret, { secret: pepper }),
  };
}

/** Returns the C library that Node is linked with. Only musl has no version in the report. */
function cLibrary(): 'glibc' | 'musl' {
  if (process.platform !== 'linux') return 'glibc';
  const report = Object.assign(process.report, { excludeNetwork: true });
  const { header } = report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}

/** Returns the first package that loads. @throws {Error} none does */
export async function loadArgon2(loaders: readonly (() => Promise<Argon2>)[] = [loadRust, loadC]): Promise<Argon2> {
  const problems: unknown[] = [];
  for (const load of loaders) {
    try {
      return await load();
    } catch (err) {
      problems.push(err);
    }
  }
  throw new AggregateError(problems, `No package for Argon2 runs on ${process.platform} ${process.arch}`);
}

/** Argon2id on this platform, chosen once, when the process starts. */
export const argon2: Argon2 = await loadArgon2();
