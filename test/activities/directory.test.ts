import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createDirectoryActivities } from '../../activities/directory.ts';
import { parseEmailAddress } from '../../adapters/email-addresses.ts';
import type { Directory } from '../../adapters/ldap/connect.ts';
import { parsePhoneNumber, phoneRefusal } from '../../adapters/phone-numbers.ts';
import { Failure } from '../../domain/failures.ts';
import { recordEvents } from '../support/recorder.ts';

type Answer = Awaited<ReturnType<Directory['authenticate']>>;

const input = { registrationId: 'r1', username: 'ada', passwordRef: 'ref-1' };

function scene(answer: Answer, phoneRegion = '', countriesAllowed: string[] = []) {
  const oneTimeSecrets = new Map<string, unknown>([['ref-1', 'analytical-engine']]);
  const asked: [string, string][] = [];
  const { events, recorded } = recordEvents();
  const activities = createDirectoryActivities({
    directory: {
      async authenticate(username, password) {
        asked.push([username, password]);
        return answer;
      },
      entryStatusOf: async () => ({ entryStatus: 'missing' }),
    },
    oneTimeSecrets: {
      read: async (reference) => oneTimeSecrets.get(reference),
    },
    events,
    parsePhoneNumber,
    parseEmailAddress,
    phoneRefusal: (number) => phoneRefusal(number, countriesAllowed),
    rateLimits: { consume: unasked, refund: unasked, isUsedUp: unasked },
    entryTries: { name: 'directory-tries', windows: [] },
    newId: () => 'try-1',
    limitHash: (kind, text) => `${kind} of ${text}`,
    pseudonym: (name) => `pseudonym of ${name}`,
    phoneRegion,
  });
  return { authenticate: activities.authenticate, oneTimeSecrets, asked, recorded };
}

/** The adapter admits a bind, and there is no adapter here. */
async function unasked(): Promise<never> {
  throw new Error('Nothing is counted');
}

function entryOf(given: Record<string, unknown> = {}): Answer {
  return {
    outcome: 'ok',
    entry: { id: 'entry-1', username: 'ada', fullNames: [], emails: [], phones: [], groups: [], ...given },
  } as unknown as Answer;
}

describe('authenticate()', () => {
  it('authenticates with the password from the one-time secret, and returns the identity', async () => {
    const entry = {
      fullNames: ['Ada Lovelace'],
      emails: ['Ada@EXAMPLE.com'],
      phones: ['+44 7700 900101'],
      groups: ['cn=staff'],
    };
    const { authenticate, asked } = scene(entryOf(entry));
    assert.deepEqual(await authenticate(input), {
      outcome: 'ok',
      identity: {
        directoryId: 'entry-1',
        username: 'ada',
        fullName: 'Ada Lovelace',
        email: 'Ada@example.com',
        phone: '+447700900101',
        callingCode: '44',
        groups: ['cn=staff'],
        limitKeys: {
          number: 'number of +447700900101',
          prefix: 'prefix of +44770090',
          country: '+44',
          mailbox: 'mailbox of ada@example.com',
        },
        pseudonyms: {
          username: 'pseudonym of ada',
          number: 'pseudonym of +447700900101',
          mailbox: 'pseudonym of Ada@example.com',
        },
      },
    });
    assert.deepEqual(asked, [['ada', 'analytical-engine']]);
  });

  it('asks the directory again when it was killed before its result was received', async () => {
    const { authenticate, asked } = scene(entryOf());
    for (let time = 0; time < 2; time++) assert.equal((await authenticate(input)).outcome, 'ok');
    assert.equal(asked.length, 2);
  });

  it('reads national numbers of the configured country, and drops them without one', async () => {
    const withRegion = await scene(entryOf({ phones: ['0171 1234567'] }), 'DE').authenticate(input);
    assert.equal(withRegion.outcome === 'ok' && withRegion.identity.phone, '+491711234567');
    assert.equal(withRegion.outcome === 'ok' && withRegion.identity.country, 'DE');
    const without = await scene(entryOf({ phones: ['0171 1234567'] })).authenticate(input);
    assert.equal(without.outcome === 'ok' && 'phone' in without.identity, false);
  });

  it('drops invalid numbers and addresses', async () => {
    const entry = { phones: ['extension 12'], emails: ['ada@example.com, eve@example.com'] };
    const { authenticate } = scene(entryOf(entry), 'GB');
    assert.deepEqual(await authenticate(input), {
      outcome: 'ok',
      identity: {
        ...{ directoryId: 'entry-1', username: 'ada', fullName: 'ada', groups: [], limitKeys: {} },
        ...{ phoneRefused: 'number-not-valid', emailRefused: 'address-not-valid' },
        pseudonyms: { username: 'pseudonym of ada' },
      },
    });
  });

  it('drops numbers that may not receive codes, and returns why', async () => {
    const identityOf = async (phone: string, countriesAllowed?: string[]) => {
      const answer = await scene(entryOf({ phones: [phone] }), '', countriesAllowed).authenticate(input);
      return answer.outcome === 'ok' ? answer.identity : undefined;
    };
    assert.deepEqual(await identityOf('+1 900 234 5678'), {
      directoryId: 'entry-1',
      username: 'ada',
      fullName: 'ada',
      groups: [],
      phoneRefused: 'number-not-supported',
      limitKeys: {},
      pseudonyms: { username: 'pseudonym of ada' },
    });
    assert.equal((await identityOf('+49 171 1234567', ['GB']))?.phoneRefused, 'country-not-allowed');
    assert.equal((await identityOf('+49 171 1234567', ['DE', 'GB']))?.phone, '+491711234567');
  });

  it('F3: takes the first usable value of each attribute, whatever their order', async () => {
    const values = {
      emails: ['multi2', 'multi2@example.org'],
      phones: ['extension 12', '+1 900 234 5678', '+49 171 1234567'],
    };
    for (const given of [values, { emails: values.emails.toReversed(), phones: values.phones.toReversed() }]) {
      const answer = await scene(entryOf(given)).authenticate(input);
      const { email, phone } = answer.outcome === 'ok' ? answer.identity : {};
      assert.deepEqual([email, phone], ['multi2@example.org', '+491711234567']);
    }
  });

  it('F3: tells the operator why an entry leaves nothing that a code could go to', async () => {
    const { authenticate, recorded } = scene(entryOf({ emails: ['multi2'] }));
    const answer = await authenticate(input);
    assert.equal(answer.outcome === 'ok' && answer.identity.emailRefused, 'address-not-valid');
    const leftOut = ['address-not-valid', 'no-number-or-address'];
    const attempt = { registrationId: 'r1', tryId: 'ref-1', username: 'ada', leftOut };
    assert.deepEqual(recorded, [{ name: 'directoryTried', args: [attempt] }]);
  });

  it('F28: values pass the checks of the api: names, user names with blanks, groups', async () => {
    const identityOf = async (given: Record<string, unknown>) => {
      const answer = await scene(entryOf(given)).authenticate(input);
      return answer.outcome === 'ok' ? answer.identity : undefined;
    };
    for (const fullName of ['x'.repeat(30_000), 'Ada\r\nBcc: v@example.com', '<b>Ada</b>', '\u202eadA', '\u200b']) {
      assert.equal((await identityOf({ fullNames: [fullName] }))?.fullName, 'ada');
      assert.equal((await identityOf({ fullNames: [fullName, ' Ada  Lovelace '] }))?.fullName, 'Ada Lovelace');
    }
    assert.equal((await identityOf({ username: ' John  Smith\u200e' }))?.username, 'John Smith');
    assert.equal((await identityOf({ username: 'john\nsmith' }))?.username, undefined);
    assert.deepEqual((await identityOf({ groups: ['cn=staff', 'cn=a\u0000b', 'x'.repeat(2000)] }))?.groups, [
      'cn=staff',
    ]);
    assert.equal((await identityOf({ phones: ['\u202a+49 171 1234567\u202c'] }))?.phone, '+491711234567');
    assert.equal((await identityOf({ emails: [' ada@example.org\ufeff'] }))?.email, 'ada@example.org');
  });

  it('returns a refusal without its reason, which goes to events only', async () => {
    const { authenticate, recorded } = scene({
      outcome: 'refused',
      reason: 'entry-disabled',
    } as unknown as Answer);
    assert.deepEqual(await authenticate(input), { outcome: 'refused' });
    assert.deepEqual(recorded, [
      {
        name: 'directoryTried',
        args: [{ registrationId: 'r1', tryId: 'ref-1', username: 'ada', reason: 'entry-disabled' }],
      },
    ]);
  });

  it('throws directory-unavailable when the directory is unavailable', async () => {
    const { authenticate, recorded } = scene({ outcome: 'unavailable', reason: 'timeout' } as unknown as Answer);
    await assert.rejects(authenticate(input), new Failure('directory-unavailable', { reason: 'timeout' }));
    assert.deepEqual(recorded, [{ name: 'dependencyAway', args: ['directory', 'timeout'] }]);
  });

  it('does not ask the directory when the password has expired after two minutes', async () => {
    const { authenticate, oneTimeSecrets, asked } = scene(entryOf());
    oneTimeSecrets.clear();
    assert.deepEqual(await authenticate(input), { outcome: 'lost' });
    assert.deepEqual(asked, []);
  });

  it('passes events the name only, for its pseudonym, and never the password', async () => {
    const { authenticate, recorded } = scene({ outcome: 'refused', reason: 'password-wrong' } as unknown as Answer);
    await authenticate({ ...input, username: 'Canary-Name' });
    const [attempt] = (recorded[0]?.args ?? []) as { username: string }[];
    assert.equal(attempt?.username, 'canary-name');
    assert.equal(/analytical/.test(JSON.stringify(recorded)), false);
  });
});
