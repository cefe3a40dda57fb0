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
    phoneRegion,
  });
  return { authenticate: activities.authenticate, oneTimeSecrets, asked, recorded };
}

/** The adapter admits a bind, and there is no adapter here. */
async function unasked(): Promise<never> {
  throw new Error('Nothing is counted');
}

function entryOf(given: Record<string, unknown> = {}): Answer {
  return { outcome: 'ok', entry: { id: 'entry-1', username: 'ada', groups: [], ...given } } as unknown as Answer;
}

describe('authenticate()', () => {
  it('authenticates with the password from the one-time secret, and returns the identity', async () => {
    const entry = {
      fullName: 'Ada Lovelace',
      email: 'Ada@EXAMPLE.com',
      phone: '+44 7700 900101',
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
    const withRegion = await scene(entryOf({ phone: '0171 1234567' }), 'DE').authenticate(input);
    assert.equal(withRegion.outcome === 'ok' && withRegion.identity.phone, '+491711234567');
    assert.equal(withRegion.outcome === 'ok' && withRegion.identity.country, 'DE');
    const without = await scene(entryOf({ phone: '0171 1234567' })).authenticate(input);
    assert.equal(without.outcome === 'ok' && 'phone' in without.identity, false);
  });

  it('drops invalid numbers and addresses', async () => {
    const entry = { phone: 'extension 12', email: 'ada@example.com, eve@example.com' };
    const { authenticate } = scene(entryOf(entry), 'GB');
    assert.deepEqual(await authenticate(input), {
      outcome: 'ok',
      identity: { directoryId: 'entry-1', username: 'ada', groups: [], limitKeys: {} },
    });
  });

  it('drops numbers that may not receive codes, and returns why', async () => {
    const identityOf = async (phone: string, countriesAllowed?: string[]) => {
      const answer = await scene(entryOf({ phone }), '', countriesAllowed).authenticate(input);
      return answer.outcome === 'ok' ? answer.identity : undefined;
    };
    assert.deepEqual(await identityOf('+1 900 234 5678'), {
      directoryId: 'entry-1',
      username: 'ada',
      groups: [],
      phoneRefused: 'number-not-supported',
      limitKeys: {},
    });
    assert.equal((await identityOf('+49 171 1234567', ['GB']))?.phoneRefused, 'country-not-allowed');
    assert.equal((await identityOf('+49 171 1234567', ['DE', 'GB']))?.phone, '+491711234567');
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
