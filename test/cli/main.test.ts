import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { projectFolder, runNode } from '../support/node-process.ts';
import { runVyry, runVyryProcess } from '../support/vyry.ts';

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'vyry-cli-'));
});
after(() => rmSync(folder, { recursive: true }));

/** Writes an environment file of an installation that does not run. */
function elsewhere(text = "TEMPORAL_ADDRESS='127.0.0.1:1'\n"): string {
  const file = join(folder, `${text.length}.env`);
  writeFileSync(file, text);
  return file;
}

describe('vyry --help', { concurrency: 4 }, () => {
  it('prints help on every level to standard output, with exit code 0', async () => {
    const levels: [string[], RegExp][] = [
      [['--help'], /vyry registrations .*\n.*vyry users .*\n[\s\S]*Exit codes: 0 .*, 1 .*, 2 /],
      [['registrations', '--help'], /switch-channel <id> <channel>/],
      [['registrations', 'list', '--help'], /--waiting-for <system>[\s\S]*--json/],
      [['users', 'disable', '--help'], /vyry users disable <user> \[options\]/],
      [['devices', '--help'], /vyry devices list <user> .*\n.*vyry devices revoke <user> <device-id>/],
      [['devices', 'ada', '--help'], /vyry devices <user> \[options\]/],
      [['audit', 'tail', '--help'], /--follow[\s\S]*npm start -- --elasticsearch/],
      [['doctor', '--help'], /--login <username>/],
    ];
    for (const [args, expected] of levels) {
      const { code, stdout, stderr } = await runVyry(args);
      assert.deepEqual([code, stderr], [0, ''], args.join(' '));
      assert.match(stdout, expected);
    }
  });

  it('behaves the same as a process and in process: exit code, standard output and standard error', async () => {
    const [help, wrong] = await Promise.all([runVyryProcess(['--help']), runVyryProcess(['toString'])]);
    assert.deepEqual([help.code, help.stdout, help.stderr], [0, (await runVyry(['--help'])).stdout, '']);
    assert.deepEqual([wrong.code, wrong.stdout, wrong.stderr], [2, '', (await runVyry(['toString'])).stderr]);
  });

  it('works through the program that npx runs', async () => {
    const { code, stdout } = await runNode([join(projectFolder, 'engines', 'vyry.mjs'), '--help'], {
      env: { PATH: process.env.PATH ?? '' },
    });
    assert.equal(code, 0);
    assert.match(stdout, /Vyry for operators/);
  });
});

describe('an invalid command', { concurrency: 4 }, () => {
  it('exits with 2, prints the error to standard error, and nothing to standard output', async () => {
    const wrong: [string[], RegExp][] = [
      [[], /Vyry for operators/],
      [['registrations'], /vyry registrations list/],
      [
        ['toString'],
        /Unknown command toString: it must be one of find, registrations, users, devices, audit, keys, redis-acl, migrate, deploy, doctor/,
      ],
      [['registrations', 'destroy'], /Unknown command registrations destroy: it must be one of list/],
      [['registrations', 'show'], /id is missing/],
      [['registrations', 'list', '--colour', 'red'], /Unknown option '--colour'/],
      [['registrations', 'list', '--state', 'stuck'], /--state must be one of pending, waiting/],
      [['registrations', 'list', '--country', 'GB" OR VyryState = "waiting'], /--country must be two letters/],
      [['registrations', 'list', '--older-than', 'yesterday'], /--older-than must be a time such as/],
      [['registrations', 'list', '--limit', '0'], /--limit must be a number/],
      [['registrations', 'show', 'a" OR "b'], /<id> must be the id of a registration/],
      [['registrations', 'switch-channel', 'a1', 'fax'], /channel must be one of sms, voice, email/],
      [['registrations', 'retry', 'a1', '--by', '+447700900101'], /--by must be at most 64/],
      [['devices', 'ada', '2'], /Too many arguments/],
      [['devices', 'revoke', 'ada', '0'], /<device-id> must be a number, as listed by vyry devices <user>/],
      [['audit', 'tail', '--action', 'nonsense'], /--action must be one of registration-start/],
    ];
    for (const [args, expected] of wrong) {
      const { code, stdout, stderr } = await runVyry(args, { env: { TEMPORAL_ADDRESS: '127.0.0.1:1' } });
      assert.deepEqual([code, stdout], [2, ''], `${args.join(' ')}: ${stderr}`);
      assert.match(stderr, expected);
    }
  });
});

describe('vyry audit pseudonym', () => {
  it('prints the same pseudonym for the same text and key, and needs nothing but the key', async () => {
    const key = (letter: string) => ({ env: { AUDIT_KEY: Buffer.alloc(32, letter).toString('base64') } });
    const [first, again, other] = await Promise.all([
      runVyry(['audit', 'pseudonym', 'ada'], key('a')),
      runVyry(['audit', 'pseudonym', 'ada', '--json'], key('a')),
      runVyry(['audit', 'pseudonym', 'ada'], key('b')),
    ]);
    assert.match(first.stdout, /^[0-9a-f]{32}\n$/);
    assert.deepEqual(JSON.parse(again.stdout), { pseudonym: first.stdout.trim() });
    assert.notEqual(other.stdout, first.stdout);
  });
});

describe('the configuration of the tool', { concurrency: 4 }, () => {
  it('reports missing variables and what to do', async () => {
    const { code, stderr } = await runVyry(['users', 'show', 'ada'], { env: { TEMPORAL_ADDRESS: '127.0.0.1:1' } });
    assert.equal(code, 1);
    assert.match(stderr, /DATABASE_URL is missing[\s\S]*REDIS_URL is missing[\s\S]*--env-file[\s\S]*npm start/);
  });

  it('says how to get an audit log when there is no Elasticsearch', async () => {
    const { code, stderr } = await runVyry(['audit', 'tail'], { env: { TEMPORAL_ADDRESS: '127.0.0.1:1' } });
    assert.equal(code, 1);
    assert.match(stderr, /ELASTICSEARCH_URL is not set[\s\S]*npm start -- --elasticsearch/);
  });

  it('reports a file that cannot be read', async () => {
    const { code, stderr } = await runVyry(['doctor', '--env-file', join(folder, 'none.env')]);
    assert.equal(code, 1);
    assert.match(stderr, /none\.env/);
  });

  it('reports that Temporal is unavailable', async () => {
    const key = Buffer.alloc(32, 1).toString('base64');
    const file = elsewhere(`TEMPORAL_ADDRESS='127.0.0.1:1'\nPAYLOAD_KEY='${key}'\n`);
    const { code, stderr } = await runVyry(['registrations', 'list', '--env-file', file]);
    assert.equal(code, 1);
    assert.match(stderr, /Temporal or its workers do not answer/);
  });

  it('never prints a bad value', async () => {
    const env = { TEMPORAL_ADDRESS: '127.0.0.1:1', PAYLOAD_KEY: 'canary-value' };
    for (const args of [['registrations', 'list'], ['doctor']]) {
      const { stdout, stderr } = await runVyry(args, { env });
      assert.match(stdout + stderr, /PAYLOAD_KEY must be 32 bytes/);
      assert.doesNotMatch(stdout + stderr, /canary/);
    }
  });
});
