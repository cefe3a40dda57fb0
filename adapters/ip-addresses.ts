/** IP addresses of clients, read by ipaddr.js. Pure functions without network access. */
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** A connection, and what its proxies report about it. */
interface Connection {
  /** The address of the other end; undefined when the connection has ended. */
  peer: string | undefined;
  /** `X-Forwarded-For`: the addresses that the proxies saw, the nearest last. */
  forwarded: string | undefined;
  /** Returns whether an address, with the number of proxies before it, is a trusted proxy. */
  trust: (address: string, proxies: number) => boolean;
}

/**
 * Returns the address of the client: the nearest address that is not a trusted proxy. An entry that is no address ends
 * the chain, and the proxy that reported it is the client, because a text that a client chose must not be counted as a
 * source. Returns an empty text without a peer.
 */
export function clientAddressOf({ peer, forwarded, trust }: Connection): string {
  const chain = [peer, ...(forwarded?.split(',').reverse() ?? [])].map((text) => readAddress(text ?? ''));
  // trust is about the address itself: an IPv6 client whose address embeds that of a proxy is not this proxy
  const client = chain.findIndex((address, proxies) => {
    return address === undefined || chain[proxies + 1] === undefined || !trust(address, proxies);
  });
  return canonicalAddress(chain[client] ?? '');
}

/**
 * Returns an address in its canonical form (RFC 5952), without port, brackets and zone. An IPv6 address that embeds an
 * IPv4 address is that IPv4 address: IPv4-mapped (RFC 4291), NAT64 (RFC 6052, RFC 8215), SIIT (RFC 7915), 6to4 (RFC
 * 3056) and Teredo (RFC 4380). Otherwise one client would have many addresses. Any other text is returned as an empty
 * text.
 */
export function canonicalAddress(text: string): string {
  const address = readAddress(text);
  if (address === undefined || isIP(address) === 4) return address ?? '';
  const parsed = ipaddr.IPv6.parse(address);
  return embeddedIn(parsed) ?? parsed.toString();
}

/** Returns the network that a client is counted by: its IPv4 address, or the /64 of its IPv6 address (RFC 6177). */
export function networkOf(text: string): string {
  const address = canonicalAddress(text);
  if (isIP(address) !== 6) return address;
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${address}/64`).toString()}/64`;
}

/**
 * Returns whether an address, without port and brackets, is one of the public Internet: global unicast by the registries
 * of IANA (RFC 6890). No IPv6 address that embeds an IPv4 address is: a translator in the own network could lead it
 * inside. Neither is an address with a zone.
 */
export function isPublicAddress(text: string): boolean {
  const version = isIP(text);
  if (version === 0 || text.includes('%')) return false;
  const address = ipaddr.parse(text);
  if (address.range() !== 'unicast') return false;
  return version === 4 || address.match(globalUnicast);
}

/** RFC 4291 section 2.4 and the registry of IANA: no other block is assigned as global unicast. */
const globalUnicast = ipaddr.parseCIDR('2000::/3');

/**
 * Reads an address with or without port, brackets and zone. IPv4-mapped is how a socket shows IPv4. The last group of an
 * IPv6 address without brackets may be a port, which then changes nothing in its /64.
 */
function readAddress(text: string): string | undefined {
  const bare = text.trim();
  const [, host = bare] = (isIP(bare) === 0 && /^(.+):\d{1,5}$/.exec(bare)) || [];
  const inBrackets = /^\[(.+)\]$/.exec(host)?.[1];
  const [address = ''] = (inBrackets ?? host).split('%');
  const version = isIP(address);
  if (version === 4) return inBrackets === undefined ? address : undefined;
  if (version === 0) return undefined;
  const parsed = ipaddr.IPv6.parse(address);
  return parsed.isIPv4MappedAddress() ? parsed.toIPv4Address().toString() : parsed.toString();
}

function embeddedIn(address: ipaddr.IPv6): string | undefined {
  const [, second = 0, third = 0, , , , seventh = 0, last = 0] = address.parts;
  const range = address.range();
  if (range === '6to4') return dotted(second, third);
  if (range === 'teredo') return dotted(seventh ^ 0xffff, last ^ 0xffff);
  // a prefix of RFC 8215 may be shorter than 96 bits, and the last 32 bits are zero then
  const isAtEnd = (range === 'rfc6052' || range === 'rfc6145') && (seventh !== 0 || last !== 0);
  return isAtEnd ? dotted(seventh, last) : undefined;
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}
