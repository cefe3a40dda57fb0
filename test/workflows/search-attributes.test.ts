import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ContactIdentity } from '../../domain/identity.ts';
import type { Send } from '../../domain/verification.ts';
import { searchAttributes } from '../../engines/temporal.ts';
import { searchAttributeNames, searchAttributesOf, userAttributesOf } from '../../workflows/search-attributes.ts';

const identity: ContactIdentity = { username: 'ada', phone: '+447700900101', email: 'ada@example.com', country: 'GB' };
const send: Send = { number: 1, channel: 'email', requestedAt: 1, state: 'sending' };

function attributesOf(
  given: Partial<Parameters<typeof searchAttributesOf>[0]> = {},
  status: Parameters<typeof searchAttributesOf>[1] = { state: 'pending' },
): Record<string, unknown> {
  const context = { policy: ['directory', 'code'] as const, done: new Set<never>(), sends: [], identity, ...given };
  return Object.fromEntries(searchAttributesOf(context, status).map(({ key, value }) => [key.name, value]));
}

describe('searchAttributesOf()', () => {
  it('returns step, state, channel and country of a registration', () => {
    assert.deepEqual(attributesOf({ done: new Set(['directory'] as const), sends: [send] }, { state: 'pending' }), {
      VyryStep: 'code',
      VyryState: 'pending',
      VyryChannel: 'email',
      VyryWaitingFor: null,
      VyryCountry: 'GB',
    });
  });

  it('returns the awaited dependency, and null afterwards', () => {
    assert.equal(attributesOf({}, { state: 'waiting', waitingFor: 'sms' }).VyryWaitingFor, 'sms');
    assert.equal(attributesOf({}, { state: 'pending' }).VyryWaitingFor, null);
  });

  it('returns finish when every step is done', () => {
    assert.equal(attributesOf({ done: new Set(['directory', 'code'] as const) }).VyryStep, 'finish');
  });

  it('returns no country for a user without a number', () => {
    assert.equal(attributesOf({ identity: { email: 'ada@example.com' } }).VyryCountry, null);
  });

  it('contains no personal data', () => {
    const text = JSON.stringify(attributesOf({ sends: [send] }));
    for (const personal of ['ada', '7700900101', 'example.com']) assert.equal(text.includes(personal), false);
  });

  it('uses exactly the attributes that the engines and the deployment create', () => {
    const ofPeople = userAttributesOf('u-1').map(({ key }) => key.name);
    assert.deepEqual([...Object.keys(attributesOf()), ...ofPeople].sort(), [...searchAttributes].sort());
    assert.deepEqual(searchAttributeNames, [...searchAttributes]);
  });
});
