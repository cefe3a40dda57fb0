import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalAddress, clientAddressOf, isPublicAddress, networkOf } from '../../adapters/ip-addresses.ts';

describe('canonicalAddress()', () => {
  it('F9 drops port, brackets and zone', () => {
    for (const [text, address] of [
      ['203.0.113.77', '203.0.113.77'],
      ['203.0.113.77:4711', '203.0.113.77'],
      [' 203.0.113.77 ', '203.0.113.77'],
      ['2001:DB8:0:0::1', '2001:db8::1'],
      ['[2001:db8::1]', '2001:db8::1'],
      ['[2001:db8::1]:443', '2001:db8::1'],
      ['fe80::1%eth0', 'fe80::1'],
      ['[fe80::1%25eth0]:80', 'fe80::1'],
      ['1:2:3:4:5:6:7:8:443', '1:2:3:4:5:6:7:8'],
    ] as const) {
      assert.equal(canonicalAddress(text), address, text);
    }
  });

  it('F9 returns the embedded IPv4 address', () => {
    for (const text of [
      '::ffff:203.0.113.77',
      '::FFFF:cb00:714d',
      '0:0:0:0:0:ffff:cb00:714d',
      '64:ff9b::203.0.113.77',
      '64:ff9b::cb00:714d',
      '64:ff9b:1::cb00:714d',
      '::ffff:0:203.0.113.77',
      '2002:cb00:714d::1',
      '2001:0:4136:e378:8000:63bf:34ff:8eb2',
    ]) {
      assert.equal(canonicalAddress(text), '203.0.113.77', text);
    }
    assert.equal(canonicalAddress('64:ff9b:1:cb00:71:4d00::'), '64:ff9b:1:cb00:71:4d00::', 'a prefix of 48 bits');
  });

  it('F9 returns nothing for what is no address', () => {
    const garbage = [
      '',
      'unknown',
      '_x:80',
      '010.1.1.1',
      '0x7f.1',
      '2130706433',
      '1.2.3',
      '1.2.3.4:',
      '1.2.3.4:123456',
    ];
    for (const text of [...garbage, '[1.2.3.4]:80', '[::1', '::1]', '1.2.3.4:80:80', ':::', '1.2.3.4\0', '1.2.3.4/8']) {
      assert.equal(canonicalAddress(text), '', text);
    }
  });
});

describe('networkOf()', () => {
  it('F9 is an IPv4 address or a /64', () => {
    assert.equal(networkOf('203.0.113.77'), '203.0.113.77');
    assert.equal(networkOf('64:ff9b::cb00:714d'), '203.0.113.77');
    assert.equal(networkOf('2001:db8:0:1:ffff::2'), '2001:db8:0:1::/64');
    assert.equal(networkOf('2001:db8:0:1::3'), '2001:db8:0:1::/64');
    assert.equal(networkOf('::1'), '::/64');
    assert.equal(networkOf(''), '');
  });
});

describe('clientAddressOf()', () => {
  const proxies = ['127.0.0.1', '10.0.0.1'];
  const trust = (address: string) => proxies.includes(address);
  const client = (peer: string | undefined, forwarded?: string) => clientAddressOf({ peer, forwarded, trust });

  it('F9 is the nearest address that is no trusted proxy', () => {
    assert.equal(client('198.51.100.1', '203.0.113.77'), '198.51.100.1');
    assert.equal(client('::ffff:127.0.0.1', '198.51.100.1, 203.0.113.77:4711, 10.0.0.1:80'), '203.0.113.77');
    assert.equal(client('127.0.0.1'), '127.0.0.1');
    assert.equal(client(undefined, '203.0.113.77'), '');
  });

  it('F9 is the proxy that reports no address', () => {
    assert.equal(client('127.0.0.1', '203.0.113.77, unknown'), '127.0.0.1');
    assert.equal(client('127.0.0.1', '203.0.113.77, , 10.0.0.1'), '10.0.0.1');
  });

  it('F9 trusts no client whose address embeds that of a proxy', () => {
    assert.equal(client('2002:7f00:1::1', '203.0.113.77'), '127.0.0.1');
    assert.equal(client('64:ff9b::10.0.0.1', '203.0.113.77'), '10.0.0.1');
  });
});

describe('isPublicAddress()', () => {
  it('H32 is true for global unicast only', () => {
    for (const address of ['8.8.8.8', '223.255.255.254', '2606:4700:4700::1111', '2a00:1450:4001:82b::200e'])
      assert.equal(isPublicAddress(address), true, address);
    for (const address of [
      ...[
        '',
        'localhost',
        '0x7f.1',
        '2130706433',
        '[2606:4700:4700::1111]',
        '8.8.8.8:443',
        '2606:4700:4700::1111%eth0',
      ],
      ...['0.0.0.0', '10.0.0.1', '100.64.0.1', '127.0.0.1', '169.254.169.254', '172.16.0.1', '192.0.0.1', '192.0.2.1'],
      ...['192.168.0.1', '198.18.0.1', '203.0.113.1', '224.0.0.1', '240.0.0.1', '255.255.255.255'],
      ...[
        '::',
        '::1',
        '::127.0.0.1',
        '::ffff:8.8.8.8',
        '::ffff:0:8.8.8.8',
        '64:ff9b::8.8.8.8',
        '64:ff9b:1::1',
        '100::1',
      ],
      ...['2001::1', '2001:2::1', '2001:db8::1', '2002:808:808::1', '3fff::1', '5f00::1', 'fc00::1', 'fd00:ec2::254'],
      ...['fe80::1', 'fec0::1', 'ff02::1', '4000::1'],
    ]) {
      assert.equal(isPublicAddress(address), false, address);
    }
  });
});
