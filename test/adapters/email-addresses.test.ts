import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseEmailAddress } from '../../adapters/email-addresses.ts';

function assertRefused(...texts: string[]): void {
  for (const text of texts) assert.equal(parseEmailAddress(text), undefined, JSON.stringify(text));
}

describe('parseEmailAddress()', () => {
  it('keeps the local part as typed and lowercases the domain', () => {
    assert.equal(parseEmailAddress('Ada.Lovelace+tag@EXAMPLE.com'), 'Ada.Lovelace+tag@example.com');
    assert.equal(parseEmailAddress("o'hara@x.com"), "o'hara@x.com");
  });

  it('treats both forms of an international domain as equal', () => {
    for (const text of ['a@m\u00fcnchen.de', 'a@M\u00dcNCHEN.DE', 'a@mu\u0308nchen.de', 'a@xn--mnchen-3ya.de']) {
      assert.equal(parseEmailAddress(text), 'a@xn--mnchen-3ya.de', text);
    }
    assert.equal(parseEmailAddress('a@\uff45xample.com'), 'a@example.com');
  });

  it('returns a homograph domain in its ASCII form', () => {
    assert.equal(parseEmailAddress('admin@\u0435xample.com'), 'admin@xn--xample-2of.com');
    assertRefused('\u0430dmin@example.com');
  });

  it('refuses several addresses, and text around an address', () => {
    assertRefused(
      'a@x.com,b@y.com',
      'a@x.com;b@y.com',
      'a@x.com b@y.com',
      'N <a@x.com>',
      '<a@x.com>',
      'mailto:a@x.com',
    );
    assertRefused('a@x.com\r\nBcc: v@y.com', 'a\r\n@x.com', 'a@x.com%0abcc:v@y.com', 'a%0a@x.com');
    assertRefused('a@b@x.com', '"a b"@x.com', '"a@b"@x.com', 'a(comment)@x.com', 'a\u0000@x.com');
  });

  it('F4: reads an address as people paste it, without what nobody sees', () => {
    for (const text of [' a@x.com', 'a@x.com\u00a0\n', '\u202aa@x.com\u202c', '\ufeffa@x\u200b.c\u00adom']) {
      assert.equal(parseEmailAddress(text), 'a@x.com', JSON.stringify(text));
    }
  });

  it('refuses source routes', () => {
    assertRefused('victim%other.com@relay.com', 'other.com!victim@relay.com', '@a.com:b@c.com');
  });

  it('refuses input that a URL parser would cut, drop or decode', () => {
    assertRefused('a@x.com/path', 'a@x.com?query', 'a@x.com#hash', 'a@x.com:25', 'a@x.com\\y', 'a@exam\tple.com');
    assertRefused('a@%65xample.com', 'a@user:password@x.com', 'a@x .com');
  });

  it('refuses hosts that are not domains', () => {
    assertRefused('a@localhost', 'a@x', 'a@127.0.0.1', 'a@[127.0.0.1]', 'a@0x7f.1', 'a@1.2.3', 'a@x.c', 'a@');
    assertRefused('a@-x.com', 'a@x-.com', 'a@x..com', 'a@.x.com', 'a@x.com.', 'a@x_y.com');
  });

  it('refuses invalid local parts', () => {
    assertRefused('', '@x.com', '.a@x.com', 'a.@x.com', 'a..b@x.com', 'a b@x.com', 'jos\u00e9@example.com');
  });

  it('enforces the length limits of RFC 5321', () => {
    assert.notEqual(parseEmailAddress(`${'a'.repeat(64)}@x.com`), undefined);
    assertRefused(`${'a'.repeat(65)}@x.com`, `a@${'x'.repeat(64)}.com`, `a@${'x'.repeat(60)}.`.repeat(6));
    assertRefused(`a@${`${'x'.repeat(60)}.`.repeat(5)}com`, 'a'.repeat(100_000));
  });
});
