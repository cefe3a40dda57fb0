import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { failures } from '../contract/failures.ts';
import { failureCodes } from '../domain/failures.ts';
import { envExample } from '../engines/env-example.ts';

const root = resolve(import.meta.dirname, '..');
const product = [
  'api',
  'workflows',
  'activities',
  'adapters',
  'domain',
  'platform',
  'workers',
  'cli',
  'client',
  'engines',
  'bench',
  'kibana',
];

function sources(...folders: string[]): string[] {
  return folders.flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: root }));
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

describe('README.md, CONTRIBUTING.md and docs/', () => {
  const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...globSync('docs/**/*.md', { cwd: root })];

  it('link only to existing files', () => {
    const dead = pages.flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)]
        .map(([, target]) => target ?? '')
        .filter((target) => !existsSync(resolve(root, dirname(page), target)))
        .map((target) => `${page}: ${target}`),
    );
    assert.deepEqual(dead, []);
  });

  it('name only existing source files', () => {
    const known = new RegExp(
      `\`((?:${[...product, 'test', 'docs'].join('|')})/[\\w./-]+\\.(?:ts|mjs|lua|md|json))\``,
      'g',
    );
    const dead = pages.flatMap((page) =>
      [...read(page).matchAll(known)].map(([, path]) => path ?? '').filter((path) => !existsSync(join(root, path))),
    );
    assert.deepEqual(dead, []);
  });
});

describe('The walkthroughs of README.md', () => {
  const walkthroughs = read('README.md')
    .split(/^## /m)
    .filter((section) => section.startsWith('What happens'));

  it('are four, and each step leads to a file with what it shows', () => {
    assert.equal(walkthroughs.length, 4);
    for (const walkthrough of walkthroughs) {
      const steps = [...walkthrough.matchAll(/^\| \d \| \[(\S+)\]\(\1\) \| (.+) \|$/gm)];
      assert.equal(steps.length, 5, walkthrough.slice(0, 40));
      for (const [, file = '', shows = ''] of steps) {
        const [names = ''] = shows.split(':');
        for (const [, name = ''] of names.matchAll(/`(\w+)`/g)) {
          assert.match(read(file), new RegExp(`\\b${name}[(<]|\\b${name}: operation\\(`), `${file} has no ${name}`);
        }
      }
    }
  });
});

describe('client/', () => {
  it('uses no global of Node, so that it runs in browsers', () => {
    const users = sources('client')
      .filter((file) => file !== 'client/file-store.ts')
      .filter((file) => /(?<![.\w])(Buffer|process|setImmediate|require|__dirname)\b[.(]/.test(read(file)));
    assert.deepEqual(users, []);
  });
});

describe('.env.example', () => {
  it('matches platform/config/; `npm run env-example` updates it', () => {
    assert.equal(read('.env.example'), envExample());
  });
});

describe('The tables', () => {
  it('have a row with its own sentence for every failure code', () => {
    assert.deepEqual(Object.keys(failures).sort(), [...failureCodes].sort());
    const sentences = Object.values(failures).map(({ message }) => message);
    assert.equal(new Set(sentences).size, sentences.length);
  });
});

describe('Scripts of Redis', () => {
  it('are each loaded by an adapter that has a test', () => {
    const adapters = sources('adapters/redis').map((file) => ({ file, text: read(file) }));
    for (const script of globSync('adapters/redis/*.lua', { cwd: root })) {
      const name = script.replace(/^.*\/|\.lua$/g, '');
      const user = adapters.find(({ text }) => text.includes(`'${name}'`));
      assert.ok(user, `${script} is not loaded`);
      assert.ok(existsSync(join(root, 'test', user.file.replace(/\.ts$/, '.test.ts'))), `${user.file} has no test`);
    }
  });
});

/** Lines of tests that read the clock, each with the reason why a slow machine cannot make it fail. */
const clockExceptions: Record<string, string> = {};

function isIn(place: string): boolean {
  const [, file = '', line = ''] = /^(\S+): (.*)$/.exec(place) ?? [];
  return read(file).includes(line);
}

describe('Tests', () => {
  const files = sources('test').filter((file) => file.endsWith('.test.ts') && !file.startsWith('test/nightly/'));

  it('about races, limits, repeats, secrets, erasure and the audit log are never rerun', () => {
    const about = /race|idempoten|rate-limit|sms-budget|secrets|deletion|erasure|audit|^test\/abuse\//;
    const unmarked = files.filter((file) => about.test(file) && !read(file).startsWith('// @rerun never\n'));
    assert.deepEqual(unmarked, []);
  });

  it('do not compare clock times and do not sleep', () => {
    const clocks = [
      /performance\.now\(\)/,
      /-\s*Date\.now\(\)|(assert|return).*Date\.now\(\)/,
      // shorter pauses belong to polling loops
      /(?<!server\.)\b(sleep|pause|setTimeout)\((\w+, )?\d[\d_]{2,}/,
    ];
    const found = files.flatMap((file) =>
      read(file)
        .split('\n')
        .map((line) => `${file}: ${line.trim()}`)
        .filter((line) => clocks.some((clock) => clock.test(line)) && !(line in clockExceptions)),
    );
    assert.deepEqual(found, []);
    assert.deepEqual(
      Object.keys(clockExceptions).filter((line) => !isIn(line)),
      [],
      'lines that do not exist',
    );
  });
});

describe('Sources', () => {
  it('contain no machine paths and no console.log in product code', () => {
    const files = sources(...product.filter((folder) => !['engines', 'bench', 'kibana'].includes(folder)));
    const found = files.filter((file) => /console\.log|\/(home|root|tmp)\//.test(read(file)));
    assert.deepEqual(found, []);
  });
});
