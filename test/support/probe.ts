/**
 * A probe inside a running process of the product: `--import` preloads it, and SIGUSR2 triggers it. It attempts
 * forbidden operations and prints one line to standard output. It needs no file, variable or permission of its own.
 */

/** The result of each attempt: `allowed`, or the error code. */
export interface ProbeAnswer {
  tries: Record<string, string>;
  environment: Record<string, string>;
  execArgv: string[];
}

/** What the probe touches. The attempts are harmless only where they are refused. */
export interface ProbeTargets {
  /** The project folder; a copy of it in a process that may write. */
  project: string;
  /** A file of the test that everyone can read. */
  foreignFile: string;
  foreignFolder: string;
  addon: string;
}

/** Returns the Node argument that loads the probe. */
export function probeArgument(targets: ProbeTargets): string {
  const source = `(${probe.toString()})(${JSON.stringify(targets)})`;
  return `--import=data:text/javascript,${encodeURIComponent(source)}`;
}

/** Returns the answer of the probe from the output of a process, or undefined. */
export function probeAnswer(stdout: string): ProbeAnswer | undefined {
  const line = stdout.split('\n').findLast((text) => text.startsWith('probe:'));
  return line === undefined ? undefined : (JSON.parse(line.slice('probe:'.length)) as ProbeAnswer);
}

/** Runs in the other process, as text: it may not use anything of this module. */
function probe({ project, foreignFile, foreignFolder, addon }: ProbeTargets): void {
  const tryAll = async () => {
    const [fs, child, threads, inspector, v8, path] = await Promise.all([
      import('node:fs'),
      import('node:child_process'),
      import('node:worker_threads'),
      import('node:inspector'),
      import('node:v8'),
      import('node:path'),
    ]);
    const inProject = (name: string) => path.join(project, name);
    const inFolder = (name: string) => path.join(foreignFolder, name);
    const tries: Record<string, () => unknown> = {
      'read a foreign file': () => fs.readFileSync(foreignFile),
      'read the password file': () => fs.readFileSync('/etc/passwd'),
      'read .env': () => fs.readFileSync(inProject('.env')),
      'read .vyry': () => fs.readdirSync(inProject('.vyry')),
      'read the environment of a process': () => fs.readFileSync('/proc/self/environ'),
      'read package-lock.json': () => fs.readFileSync(inProject('package-lock.json')),
      'read engines/': () => fs.readFileSync(inProject('engines/secrets.ts')),
      'list the project': () => fs.readdirSync(project),
      'ask whether a foreign file exists': () => fs.existsSync(foreignFile),
      'open a stream of a foreign file': () => fs.openSync(foreignFile, 'r'),
      'read a foreign file with a promise': () => fs.promises.readFile(foreignFile),
      'load a file as variables': () => process.loadEnvFile(foreignFile),
      'import a foreign module': () => import(`file://${foreignFile}`),
      'write a foreign file': () => fs.writeFileSync(inFolder('written'), ''),
      'write into the code': () => fs.writeFileSync(inProject('workers/written.ts'), ''),
      'append to the code': () => fs.appendFileSync(inProject('package.json'), ''),
      'delete code': () => fs.rmSync(inProject('workers/not-there.ts'), { force: true }),
      'make a folder': () => fs.mkdirSync(inFolder('made')),
      'link to a foreign file': () => fs.symlinkSync('/etc/passwd', inProject('node_modules/linked')),
      'write a heap snapshot': () => v8.writeHeapSnapshot(inFolder('heap')),
      'write a report': () => process.report.writeReport(inFolder('report.json')),
      'run a program': () => child.execFileSync('/bin/true'),
      'run Node': () => child.fork(foreignFile),
      'become another program': () => process.permission && process.execve?.('/bin/true', ['/bin/true'], {}),
      'start a thread': () => new threads.Worker('0', { eval: true }),
      'start a thread without permissions': () => new threads.Worker('0', { eval: true, execArgv: [] }),
      'load an addon': () => process.dlopen({ exports: {} }, addon),
      'open the inspector': () => inspector.open(0),
      'debug itself': () => new inspector.Session().connect(),
      'reach into Node': () => (process as unknown as { binding(name: string): unknown }).binding('fs'),
      'open a database file': () => openDatabase(inFolder('foreign.db')),
      'write a database file': () => openDatabase(inProject('workers/made.db')),
      'read its own code': () => fs.readFileSync(inProject('platform/config/config.ts')),
    };
    const openDatabase = async (file: string) => {
      const name = 'node:sqlite';
      const { DatabaseSync } = (await import(name)) as { DatabaseSync: new (file: string) => unknown };
      return new DatabaseSync(file);
    };
    const answers: Record<string, string> = {};
    for (const [name, act] of Object.entries(tries)) {
      try {
        await act();
        answers[name] = 'allowed';
      } catch (err) {
        const { code, message } = err as { code?: string; message: string };
        answers[name] = code ?? message;
      }
    }
    const answer = { tries: answers, environment: { ...process.env }, execArgv: process.execArgv };
    process.stdout.write(`probe:${JSON.stringify(answer)}\n`);
  };
  process.on('SIGUSR2', () => void tryAll());
}
