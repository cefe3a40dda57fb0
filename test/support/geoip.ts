/**
 * Writes databases in MaxMind's format with the places of a few IPv4 networks.
 * https://maxmind.github.io/MaxMind-DB/
 */
import { writeFileSync } from 'node:fs';

type Value = string | number | { [name: string]: Value } | Value[];

const recordBytes = 3;
const metadataMarker = Buffer.concat([Buffer.from([0xab, 0xcd, 0xef]), Buffer.from('MaxMind.com')]);
/** Zeros between the tree and the data. */
const separatorBytes = 16;

/** Writes a database of cities; `places` has city and country of networks such as `203.0.113.0/24`. */
export function writePlaces(file: string, places: Record<string, { city?: string; country: string }>): void {
  const nodes: [number | undefined, number | undefined][] = [[undefined, undefined]];
  const offsets: { node: number; bit: 0 | 1; at: number }[] = [];
  const records: Buffer[] = [];
  for (const [network, { city, country }] of Object.entries(places)) {
    const { node, bit } = leafOf(nodes, network);
    offsets.push({ node, bit, at: Buffer.concat(records).length });
    const named = (en: string): Value => ({ names: { en } });
    records.push(encode({ country: named(country), ...(city !== undefined && { city: named(city) }) }));
  }
  // a record beyond the tree is the position of data after the separator
  for (const { node, bit, at } of offsets) {
    const pair = nodes[node];
    if (pair !== undefined) pair[bit] = nodes.length + separatorBytes + at;
  }
  // a record that is the number of nodes has no data
  const tree = nodes.flat().map((record = nodes.length) => {
    const bytes = Buffer.alloc(recordBytes);
    bytes.writeUIntBE(record, 0, recordBytes);
    return bytes;
  });
  const metadata = encode({
    node_count: nodes.length,
    record_size: recordBytes * 8,
    ip_version: 4,
    database_type: 'Test-City',
    languages: ['en'],
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1,
    description: { en: 'test' },
  });
  writeFileSync(file, Buffer.concat([...tree, Buffer.alloc(separatorBytes), ...records, metadataMarker, metadata]));
}

/** Adds the nodes on the way to a network. Returns the last one and the bit by which it leads to the data. */
function leafOf(nodes: [number | undefined, number | undefined][], network: string): { node: number; bit: 0 | 1 } {
  const [address = '', length = '32'] = network.split('/');
  const bits = address.split('.').flatMap((part) => [...Number(part).toString(2).padStart(8, '0')].map(Number));
  let node = 0;
  for (const [index, bit] of bits.slice(0, Number(length)).entries()) {
    if (index === Number(length) - 1) return { node, bit: bit as 0 | 1 };
    const pair = nodes[node];
    const next = pair?.[bit] ?? nodes.push([undefined, undefined]) - 1;
    if (pair !== undefined) pair[bit] = next;
    node = next;
  }
  throw new Error(`${network} has no prefix`);
}

/** Types of the format: 2 text, 6 number of 32 bits, 7 map, 11 array (as an extended type: 11 - 7). */
function encode(value: Value): Buffer {
  if (typeof value === 'string') return Buffer.concat([control(2, Buffer.byteLength(value)), Buffer.from(value)]);
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return Buffer.concat([control(6, 4), bytes]);
  }
  if (Array.isArray(value)) return Buffer.concat([Buffer.from([value.length, 4]), ...value.map(encode)]);
  const pairs = Object.entries(value);
  return Buffer.concat([control(7, pairs.length), ...pairs.flatMap(([name, one]) => [encode(name), encode(one)])]);
}

/** The control byte of a value; short texts and maps only. */
function control(type: number, size: number): Buffer {
  if (size >= 29) throw new Error('too long for this writer');
  return Buffer.from([(type << 5) | size]);
}
