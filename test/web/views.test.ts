/** The rules of the page that need no browser. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { contactCode, readContactCode } from '../../web/contact-code.ts';
import { nameIn, textContentFrom } from '../../web/content.ts';
import { deviceName } from '../../web/device-name.ts';
import { contactAfter } from '../../web/history.ts';
import { qrPath } from '../../web/qr.ts';
import { compareSafetyNumber, groupsOf } from '../../web/safety-code.ts';
import { type Entry, furtherState, groupByDay, isIdentityAnnounced } from '../../web/timeline.ts';
import { createTyping } from '../../web/typing.ts';

const origin = 'https://chat.example.org';
const userId = 'fd206bce-ef72-4a69-8fd5-bca35aa8062d';
const received = { id: '1', kind: 'received', userId, at: 1000, text: 'Hello', isRead: false } satisfies Entry;
const announced = { id: '2', kind: 'identity', userId, at: 2000, reason: 'rotated' } satisfies Entry;
const nobody = { userId, name: '', isNameChosen: false, unread: 0, lastAt: 0, lastText: '' };

describe('contact codes', () => {
  it('are read as they were made, with names in any script', () => {
    const person = { userId, name: 'Ada & Grace أدا' };
    assert.deepEqual(readContactCode(origin, ` ${contactCode(origin, person)}\n`), person);
    assert.deepEqual(readContactCode(origin, userId), { userId, name: '' });
  });

  it('are refused from another server, and as codes for linking', () => {
    for (const text of [
      contactCode('https://other.example', { userId, name: '' }),
      `${origin}/app/link#1.${'0'.repeat(32)}.hash`,
      `${origin}/app#/chat?with=../../x`,
      `${origin}/app#/chat`,
      '',
    ])
      assert.equal(readContactCode(origin, text), undefined, text);
  });
});

describe('the safety number', () => {
  const digits = '0123456789'.repeat(6);

  it('has twelve groups, and is compared whatever blanks there are', () => {
    assert.equal(groupsOf(digits).length, 12);
    assert.equal(compareSafetyNumber(`${groupsOf(digits).join(' ')}\n`, digits), true);
  });

  it('differs from another one, and a text that is not a safety number is not compared', () => {
    assert.equal(compareSafetyNumber('1'.repeat(60), digits), false);
    assert.equal(compareSafetyNumber('1'.repeat(59), digits), undefined);
    assert.equal(compareSafetyNumber(origin, digits), undefined);
  });
});

describe('QR codes', () => {
  it('draw each run of dark modules once, inside of the quiet zone', () => {
    const { size, path } = qrPath(`${origin}/app/link#1.${'0'.repeat(32)}.${'h'.repeat(43)}`);
    const runs = [...path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\3z/g)].map(([, ...numbers]) => numbers.map(Number));
    assert.equal(runs.map(([x, y, width]) => `M${x} ${y}h${width}v1h-${width}z`).join(''), path);
    // the upper left finder pattern: 7 modules, then its ring
    assert.deepEqual(runs[0], [4, 4, 7]);
    for (const [x = 0, y = 0, width = 0] of runs) assert.ok(x >= 4 && y >= 4 && x + width <= size - 4 && y < size - 4);
  });
});

describe('the timeline', () => {
  it('never lets a message go back from read to delivered', () => {
    assert.equal(furtherState('sent', 'read'), 'read');
    assert.equal(furtherState('read', 'delivered'), 'read');
  });

  it('has one heading a day, in the order of time', () => {
    const day = 24 * 3600 * 1000;
    const days = groupByDay([{ ...received, at: 3 * day, id: '3' }, received, { ...received, at: 1001, id: '2' }]);
    assert.deepEqual(
      days.map(({ entries }) => entries.map(({ id }) => id)),
      [['1', '2'], ['3']],
    );
  });

  it('tells of a new identity key once: with its reason if the server has announced it', () => {
    assert.equal(isIdentityAnnounced([received, announced]), true);
    assert.equal(isIdentityAnnounced([announced, received]), false);
    assert.equal(isIdentityAnnounced([{ ...announced, reason: 'unknown' }]), false);
    assert.equal(isIdentityAnnounced([]), false);
  });
});

describe('contacts', () => {
  it('take the name that a person says, until the user chooses one', () => {
    const named = contactAfter(nobody, received, 'Ada');
    assert.deepEqual(named, { ...nobody, name: 'Ada', unread: 1, lastAt: 1000, lastText: 'Hello' });
    assert.equal(contactAfter({ ...named, name: 'Mother', isNameChosen: true }, received, 'Ada').name, 'Mother');
    assert.equal(contactAfter(named, received, '').name, 'Ada');
  });

  it('show the newest message, whichever is kept last', () => {
    const newer = contactAfter(nobody, { ...received, at: 2000, text: 'newer' });
    assert.equal(contactAfter(newer, received).lastText, 'newer');
    assert.equal(contactAfter(newer, announced).lastText, 'newer');
  });
});

describe('the content of a message', () => {
  it('carries the name of its sender, and other contents carry none', () => {
    assert.equal(nameIn({ content: textContentFrom('Ada', 'Hello'), text: 'Hello' }), 'Ada');
    assert.equal(nameIn({ content: new TextEncoder().encode('{"text":"x","name":7}'), text: 'x' }), '');
    assert.equal(nameIn({ content: Uint8Array.of(1), text: undefined }), '');
  });
});

describe('typing', () => {
  it('is told once in a while, and its end once', () => {
    const sent: boolean[] = [];
    let now = 0;
    const typing = createTyping({ send: (active) => sent.push(active), show: () => {}, now: () => now });
    typing.stopped();
    typing.typed();
    typing.typed();
    now = 5000;
    typing.typed();
    typing.stopped();
    typing.close();
    assert.deepEqual(sent, [true, true, false]);
  });
});

describe('deviceName()', () => {
  it('names the browser and the system', () => {
    assert.equal(
      deviceName('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36'),
      'Chrome, Linux',
    );
    assert.equal(deviceName('curl/8'), 'Web');
  });
});
