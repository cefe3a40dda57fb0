/** A directory that returns many values in parts, as Active Directory does. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BerReader, type Entry } from 'ldapts';
import { connectDirectory } from '../../adapters/ldap/connect.ts';
import { withWholeRanges } from '../../adapters/ldap/ranges.ts';
import { Secret } from '../../platform/config/secret.ts';
import { personAttributes, startTestServer } from '../support/ldap.ts';

const dn = 'cn=ada,dc=example,dc=org';
const groups = Array.from({ length: 3200 }, (_, index) => `cn=group-${index},dc=example,dc=org`);

/** At most 1500 values at once ([MS-ADTS] section 3.1.1.3.1.3.3). */
function partFrom(first: number): [name: string, values: string[]] {
  const end = first + 1500;
  return [`memberOf;range=${first}-${end < groups.length ? end - 1 : '*'}`, groups.slice(first, end)];
}

function ber(tag: number, ...parts: (Buffer | string)[]): Buffer {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const length = Buffer.alloc(5, 0x84);
  length.writeUInt32BE(content.length, 1);
  return Buffer.concat([Buffer.from([tag]), length, content]);
}

/** Answers binds and searches (RFC 4511): accepts every password, and knows one entry. */
function answerTo(request: Buffer): Buffer | undefined {
  const reader = new BerReader(request);
  reader.readSequence();
  const id = reader.readInt() ?? 0;
  const kind = reader.peek();
  const message = (tag: number, ...parts: Buffer[]) => ber(0x30, ber(0x02, Buffer.from([id])), ber(tag, ...parts));
  const success = [ber(0x0a, Buffer.from([0])), ber(0x04), ber(0x04)];
  if (kind === 0x60) return message(0x61, ...success);
  if (kind !== 0x63) return undefined;
  const [, first = '0'] = /memberOf;range=(\d+)-\*/.exec(request.toString('latin1')) ?? [];
  const [name, values] = partFrom(Number(first));
  const attributes = Object.entries({ entryUUID: ['entry-1'], uid: ['ada'], [name]: values });
  const encoded = attributes.map(([attribute, list]) =>
    ber(0x30, ber(0x04, attribute), ber(0x31, ...list.map((value) => ber(0x04, value)))),
  );
  return Buffer.concat([message(0x64, ber(0x04, dn), ber(0x30, ...encoded)), message(0x65, ...success)]);
}

describe('ranged attributes', () => {
  it('F3: are read to their end', async () => {
    await using server = await startTestServer((socket, bytes) => {
      const answer = answerTo(bytes);
      if (answer !== undefined) socket.write(answer);
    });
    await using directory = connectDirectory({
      urls: [server.url],
      startTls: false,
      bindDn: 'cn=vyry,dc=example,dc=org',
      bindPassword: new Secret('example-only-bind'),
      baseDn: 'dc=example,dc=org',
      userFilter: '(uid={username})',
      attributes: personAttributes,
      timeoutMs: 600_000,
      poolMax: 2,
    });
    const answer = await directory.authenticate('ada', 'right');
    assert.equal(answer.outcome, 'ok');
    assert.deepEqual(answer.entry.groups, groups);
  });

  it('F3: sends no request for an entry without ranges, and stops when the server returns no more values', async () => {
    const entry: Entry = { dn, memberOf: ['cn=staff'] };
    assert.deepEqual(await withWholeRanges(entry, assert.fail), entry);
    const cut = { dn, 'memberOf;range=0-1': ['cn=a', 'cn=b'] };
    assert.deepEqual(await withWholeRanges(cut, async () => ({ dn })), { dn, memberOf: ['cn=a', 'cn=b'] });
  });
});
