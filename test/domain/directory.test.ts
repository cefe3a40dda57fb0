import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { directoryNameKey, givenUp, newNameOf } from '../../domain/directory.ts';

describe('directoryNameKey()', () => {
  it('F1: has one form for all spellings that a directory takes for the same name', () => {
    const spellings = [
      'person200 ',
      ' PERSON200',
      'ｐｅｒｓｏｎ２００',
      'per\u00adson200',
      'person\u200b200',
      '\ufeffperson200\ufe0f',
      '\u202aperson200\u202c',
      'pérsön200',
      'perso\u0301n200',
      'person200\u3000',
      'per\u017fon200',
      'person200\t',
    ];
    for (const spelling of spellings) assert.equal(directoryNameKey(spelling), 'person200', JSON.stringify(spelling));
    assert.equal(directoryNameKey('Anna  Maria'), directoryNameKey('anna\u00a0maria'));
    assert.equal(directoryNameKey('STRASSE'), directoryNameKey('straße'));
    assert.equal(directoryNameKey('ΣΊΣΥΦΟΣ'), directoryNameKey('σίσυφος'));
  });

  it('F1: distinguishes different names', () => {
    const names = ['person200', 'person20', 'person2000', 'person-200', 'person 200', 'person200@example.org'];
    assert.equal(new Set(names.map(directoryNameKey)).size, names.length);
  });
});

describe('givenUp()', () => {
  const held = [
    { kind: 'username', value: 'ada' },
    { kind: 'phone', value: '+447700900101' },
    { kind: 'email', value: 'ada@example.org' },
  ] as const;

  it('F2: returns what no value of the entry is, and everything without an entry', () => {
    const entry = { usernames: ['byron', 'ADA'], emails: ['Ada@example.org'], phones: ['+447700900102'] };
    assert.deepEqual(givenUp(held, entry), [held[1]]);
    assert.deepEqual(givenUp(held, undefined), held);
  });
});

describe('newNameOf()', () => {
  it('F2: returns a name only when the entry no longer has the current one', () => {
    assert.equal(newNameOf('ada', { usernames: ['king', 'Ada'] }), undefined);
    assert.equal(newNameOf('ada', { usernames: ['king'] }), 'king');
    assert.equal(newNameOf(undefined, { usernames: ['king'] }), 'king');
    assert.equal(newNameOf('ada', { usernames: ['two words'] }), undefined);
  });
});
