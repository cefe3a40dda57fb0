// @rerun never
/** The tries of a person of the directory, counted by the entry: on a real directory and a real Redis. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createDirectoryActivities } from '../../activities/directory.ts';
import { parseEmailAddress } from '../../adapters/email-addresses.ts';
import { parsePhoneNumber } from '../../adapters/phone-numbers.ts';
import type { Redis } from '../../adapters/redis/connect.ts';
import { createRateLimits } from '../../adapters/redis/rate-limits.ts';
import { directoryTries } from '../../domain/limits.ts';
import { newId } from '../../platform/crypto.ts';
import { connectTo, startTestDirectory, type TestDirectory } from '../support/ldap.ts';
import { recordEvents } from '../support/recorder.ts';
import { connectTestRedis, uniqueName } from '../support/redis.ts';

let directory: TestDirectory;
let redis: Redis;

before(async () => {
  directory = await startTestDirectory();
  redis = connectTestRedis();
});
after(async () => {
  redis?.disconnect();
  await directory?.[Symbol.asyncDispose]();
});

/** A directory role whose filter knows a person by user name and by address. */
function scene() {
  const { events, recorded } = recordEvents();
  const ldap = connectTo(directory, { userFilter: '(|(uid={username})(mail={username}))' });
  const salt = uniqueName();
  const activities = createDirectoryActivities({
    directory: ldap,
    // the reference is the password
    oneTimeSecrets: { read: async (reference) => reference },
    events,
    parsePhoneNumber,
    parseEmailAddress,
    phoneRefusal: () => undefined,
    rateLimits: createRateLimits(redis),
    entryTries: directoryTries({ DIRECTORY_TRIES: 5, DIRECTORY_WINDOW: 900 }),
    newId,
    limitHash: (kind, text) => `${salt} ${kind} ${text}`,
    pseudonym: (name) => `pseudonym of ${name}`,
    phoneRegion: '',
  });
  const tryAs = (username: string, password: string, isSpent = false) =>
    activities.authenticate({ username, passwordRef: password, isSpent });
  return { tryAs, ldap, recorded };
}

const bindsAs = async (name: string) =>
  (await directory.log()).filter((line) => line.includes(` BIND dn="uid=${name},`) && line.includes('method=128'));

describe('the tries of an entry', () => {
  it('F1: are counted over every spelling and name that finds it, before the bind', async () => {
    const { tryAs, ldap, recorded } = scene();
    await using _closing = ldap;
    const names = [
      'person200',
      'PERSON200',
      'person200 ',
      ' person200',
      'person200@example.org',
      'Person200@EXAMPLE.org',
    ];
    for (const name of names.slice(0, 5)) assert.deepEqual(await tryAs(name, 'wrong'), { outcome: 'refused' }, name);
    for (const name of [...names, 'person200']) {
      const { outcome } = await tryAs(name, 'person-200');
      assert.equal(outcome, 'limited', name);
    }
    assert.equal((await bindsAs('person200')).length, 5);
    assert.deepEqual(recorded.at(-1)?.args, [{ tryId: 'person-200', username: 'person200', reason: 'limited' }]);
    assert.equal((await tryAs('person201', 'person-201')).outcome, 'ok');
  });

  it('F1: do not include right passwords', async () => {
    const { tryAs, ldap } = scene();
    await using _closing = ldap;
    for (let turn = 0; turn < 7; turn++) assert.equal((await tryAs('person202', 'person-202')).outcome, 'ok');
    for (let turn = 0; turn < 4; turn++) assert.equal((await tryAs('person202', 'wrong')).outcome, 'refused');
    assert.equal((await tryAs('person202', 'person-202')).outcome, 'ok');
  });

  it('F1: are never exceeded by parallel attempts', async () => {
    const { tryAs, ldap } = scene();
    await using _closing = ldap;
    const answers = await Promise.all(Array.from({ length: 12 }, () => tryAs('person203', 'wrong')));
    assert.equal(answers.filter(({ outcome }) => outcome === 'refused').length, 5);
    assert.equal((await bindsAs('person203')).length, 5);
  });

  it('F17: cost the same requests when they are used up as for an unknown name', async () => {
    const { tryAs, ldap } = scene();
    await using _closing = ldap;
    const requestsOf = async (act: () => Promise<unknown>) => {
      // the last piece is the begin of the next line
      const from = (await directory.log()).length - 1;
      await act();
      const lines = await directory.log(from);
      return lines.flatMap((line) => / (SRCH|BIND) (?:base=|dn=".*" method=)/.exec(line)?.[1] ?? []);
    };
    await tryAs('person204', 'person-204');
    const unknown = await requestsOf(() => tryAs('nobody-at-all', 'wrong'));
    assert.deepEqual(unknown, ['SRCH', 'BIND']);
    assert.deepEqual(await requestsOf(() => tryAs('person204', 'person-204', true)), unknown);
    assert.equal((await bindsAs('person204')).length, 1);
  });
});
