/**
 * Mutants of the encryption: the code with one of its checks removed. The tests of the encryption have to fail on each, or
 * the check is not tested.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import process from 'node:process';
import { projectFolder } from '../../engines/processes.ts';

/** A change of one file. */
export interface Mutant {
  file: string;
  /** The line of the check, as it is in the code. */
  line: string;
  /** What stands in its place. */
  replacement: string;
}

/** Files of which each line that refuses or ignores something is a check. */
const checkedFiles = ['ratchet', 'pqxdh', 'session', 'devices', 'identities', 'padding', 'ml-kem', 'retry'].map(
  (name) => `client/crypto/${name}.ts`,
);
const checkLine = /^ +if \(.+\) (throw (undecryptable|badBundle)\(.+\)|return (state|false)|removeKey\(.+\));$/;

/** Checks that are no lines of that form. */
const others: readonly Mutant[] = [
  [
    'ratchet',
    'privateKey: undefined,\n    sending: undefined,',
    'privateKey: state.privateKey,\n    sending: undefined,',
  ],
  ['ratchet', '.slice(-chainsMax)', ''],
  ['ratchet', 'keepNewest(stepped.receiving.with(index, next))', 'stepped.receiving.with(index, next)'],
  ['ratchet', ', chainKey: undefined };\n}', ' };\n}'],
  ['ratchet', 'skipped: chain.skipped.filter((one) => one !== found)', 'skipped: chain.skipped'],
  ['ratchet', 'concatBytes(agreement, kemSecret)', 'concatBytes(agreement)'],
  ['ratchet', 'answered: sha256(asked)', 'answered: undefined'],
  ['ratchet', 'associatedData: concatBytes(associatedData, headerBytes)', 'associatedData: headerBytes'],
  ['session', '&& now - createdAt >= unansweredMs', '&& false'],
  ['session', '.slice(0, 1 + archivedMax)', ''],
  ['devices', 'else state.usedHandshakes.push', 'else [].push'],
  ['devices', 'refuseUsed(state, prefix);', ''],
  ['devices', 'checkSender(state, from.userId, prefix.identityKey);', ''],
  ['devices', 'checkSender(state, from.userId, identitiesOf(previous).peer);', ''],
  ['devices', 'checkRecipient(state, to.userId, read.identityKey);', ''],
  ['devices', 'return session.canSend && isOwnCurrent &&', 'return session.canSend &&'],
  ['devices', '&& toBase64(peer) === identityOf(state, userId)', ''],
  ['pqxdh', '    kem.secret,\n', ''],
].map(([name = '', line = '', replacement = '']) => ({ file: `client/crypto/${name}.ts`, line, replacement }));

/** Returns all mutants. It throws when a check of the list is not in the code any more. */
export async function findMutants(): Promise<Mutant[]> {
  const found: Mutant[] = [];
  for (const file of checkedFiles) {
    const text = await readFile(join(projectFolder, file), 'utf8');
    const lines = text.split('\n').filter((line) => checkLine.test(line));
    found.push(...lines.map((line) => ({ file, line, replacement: '' })));
  }
  for (const { file, line } of others) {
    if (!(await readFile(join(projectFolder, file), 'utf8')).includes(line)) throw new Error(`${file} has no ${line}`);
  }
  return [...found, ...others];
}

/** Returns the mutants that no test of the encryption notices. */
export async function findSurvivors(mutants: readonly Mutant[], say: (text: string) => void): Promise<Mutant[]> {
  const folder = await mkdtemp(join(tmpdir(), 'vyry-mutants-'));
  try {
    for (const name of ['client', 'contract', 'domain', 'test/client', 'test/support', 'engines', 'package.json'])
      await cp(join(projectFolder, name), join(folder, name), { recursive: true });
    await symlink(join(projectFolder, 'node_modules'), join(folder, 'node_modules'));
    if (!(await passes(folder))) throw new Error('the tests fail without a change');
    const ratchet = join(folder, 'client/crypto/ratchet.ts');
    const whole = await readFile(ratchet, 'utf8');
    await writeFile(ratchet, '');
    if (await passes(folder)) throw new Error('the tests pass without the ratchet');
    await writeFile(ratchet, whole);
    const survivors: Mutant[] = [];
    for (const mutant of mutants) {
      const path = join(folder, mutant.file);
      const text = await readFile(path, 'utf8');
      await writeFile(
        path,
        text.replace(mutant.line, () => mutant.replacement),
      );
      const isNoticed = !(await passes(folder, mutant.file));
      await writeFile(path, text);
      say(`${isNoticed ? 'noticed ' : 'SURVIVES'} ${mutant.file}: ${mutant.line.trim()}`);
      if (!isNoticed) survivors.push(mutant);
    }
    return survivors;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Runs the tests, file by file until one fails; that of the changed file first, which mostly fails. */
async function passes(folder: string, changed = ''): Promise<boolean> {
  const own = basename(changed, '.ts');
  const isOwn = (name: string) => own !== '' && name.startsWith(own);
  const names = ['ratchet', 'healing', 'sessions', 'identities'];
  for (const name of names.sort((one, other) => Number(isOwn(other)) - Number(isOwn(one)))) {
    // with this variable of the test runner, a runner inside of a test runs nothing and succeeds
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const args = ['--test', `test/client/${name}.test.ts`];
    const child = spawn(process.execPath, args, { cwd: folder, env, stdio: 'ignore' });
    const [code] = await once(child, 'exit');
    if (code !== 0) return false;
  }
  return true;
}
