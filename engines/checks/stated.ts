/** What CONTRIBUTING.md and the import rules state, compared with what is. */
import { join } from 'node:path';
import { projectFolder } from '../processes.ts';
import { type Finding, lineAt, type Source } from './finding.ts';

/** A number of CONTRIBUTING.md, and where the same number is in force. The first group of each pattern is the number. */
interface Count {
  stated: RegExp;
  file: string;
  inForce: RegExp;
}

const guide = 'CONTRIBUTING.md';

const counts: readonly Count[] = [
  { stated: /fail the check at (\d+)/, file: 'biome.json', inForce: /"maxLines": (\d+)/ },
  { stated: /complexity fails above (\d+)/, file: 'biome.json', inForce: /"maxAllowedComplexity": (\d+)/ },
  { stated: /Near (\d+) lines/, file: 'engines/checks/lengths.ts', inForce: /linesWarning = (\d+)/ },
  { stated: /above (\d+)\s+it fails the check/, file: 'engines/checks/lengths.ts', inForce: /linesMax = (\d+)/ },
  { stated: /Node (\d+) comes with the packages/, file: 'engines/setup.mjs', inForce: /nodeMajorMin = (\d+)/ },
  { stated: /changes, (\w+) times beside a busy loop/, file: 'test/runner/run.ts', inForce: /'--stress=(\d+)'/ },
  { stated: /at most (\w+) files with/, file: 'test/runner/verdict.ts', inForce: /filesMax = (\d+)/ },
  { stated: /files with (\w+) tests failed/, file: 'test/runner/verdict.ts', inForce: /testsMax = (\d+)/ },
  { stated: /more than (\w+) rows/, file: 'test/runner/flaky.ts', inForce: /rowsMax = (\d+)/ },
  { stated: /more than (\w+) failures of one test/, file: 'test/runner/flaky.ts', inForce: /sightingsMax = (\d+)/ },
];

const numerals = 'zero one two three four five six seven eight nine ten'.split(' ');

/** Returns the numbers of CONTRIBUTING.md that differ from those in force. */
export function checkCounts(sources: readonly Source[]): Finding[] {
  const textOf = (path: string) => sources.find(({ file }) => file === path)?.text ?? '';
  const text = textOf(guide);
  return counts.flatMap(({ stated, file, inForce }) => {
    const found = stated.exec(text);
    const number = numberOf(inForce.exec(textOf(file))?.[1]);
    if (found && number !== undefined && numberOf(found[1]) === number) return [];
    const line = lineAt(text, found?.index ?? 0);
    const said = found ? `"${found[0]}"` : `nothing matches ${stated}`;
    return [{ file: guide, line, message: `${said}, and ${file} has ${number ?? `no ${inForce}`}` }];
  });
}

function numberOf(text = ''): number | undefined {
  const number = numerals.includes(text) ? numerals.indexOf(text) : Number.parseInt(text, 10);
  return Number.isNaN(number) ? undefined : number;
}

/** The part of a fence of .dependency-cruiser.mjs that is read: patterns of its homes and of its package. */
export interface Fence {
  name: string;
  from: { pathNot: readonly string[] };
  to: { path: string };
}

const rules = '.dependency-cruiser.mjs';

/** Loads the fences of .dependency-cruiser.mjs. */
export async function readFences(): Promise<Fence[]> {
  const module: { default: { forbidden: Fence[] } } = await import(join(projectFolder, rules));
  return module.default.forbidden.filter(({ name }) => name.startsWith('fence-'));
}

/** Returns the homes of fences in which no file imports the package any more. Imports of types need no fence. */
export function checkFences(sources: readonly Source[], fences: readonly Fence[]): Finding[] {
  const text = sources.find(({ file }) => file === rules)?.text ?? '';
  const imports = sources
    .filter(({ file }) => file.endsWith('.ts'))
    .map(({ file, text: code }) => ({ file, packages: importsOf(code) }));
  return fences.flatMap(({ from, to, name }) => {
    const pattern = new RegExp(to.path);
    const users = imports.filter(({ packages }) => packages.some((one) => pattern.test(`node_modules/${one}`)));
    return from.pathNot
      .filter((home) => !users.some(({ file }) => new RegExp(home).test(file)))
      .map((home) => ({
        file: rules,
        line: lineAt(
          text,
          Math.max(0, text.indexOf(`fence('${to.path.slice('node_modules/'.length, -'(/|$)'.length)}'`)),
        ),
        message: `${name}: no file of ${home} imports the package`,
      }));
  });
}

function importsOf(code: string): string[] {
  const found = code.matchAll(/^import (?!type\b)(?:[^;']*? from )?'([^'.][^']*)'|\bimport\('([^'.][^']*)'\)/gm);
  return [...found].map(([, fixed, dynamic]) => fixed ?? dynamic ?? '');
}
