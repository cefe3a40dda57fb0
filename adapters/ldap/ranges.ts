/**
 * Ranged attributes: Active Directory returns an attribute with many values in parts, such as `memberOf;range=0-1499`
 * ([MS-ADTS] section 3.1.1.3.1.3.3). The last part ends with `*`.
 */
import type { Entry } from 'ldapts';

/** Reads the named attributes of one entry again, such as `memberOf;range=1500-*`. */
type ReadAttributes = (dn: string, attributes: string[]) => Promise<Entry | undefined>;

interface Part {
  attribute: string;
  values: (string | Buffer)[];
  /** The first value of the next part; absent after the last part. */
  next?: number;
}

/** More parts than any directory has; a server that never ends is not followed for ever. */
const partsMax = 1000;

/**
 * Returns an entry whose ranged attributes have all their values, under their plain names. An entry without such
 * attributes is returned unchanged, without a request.
 */
export async function withWholeRanges(entry: Entry, read: ReadAttributes): Promise<Entry> {
  const whole = { ...entry };
  for (const key of Object.keys(entry)) {
    let part = partOf(entry, key);
    if (part === undefined) continue;
    const { attribute } = part;
    const values = [...part.values];
    for (let parts = 1; part?.next !== undefined && parts < partsMax; parts++) {
      const more = await read(entry.dn, [`${attribute};range=${part.next}-*`]);
      part =
        more &&
        Object.keys(more)
          .flatMap((other) => partOf(more, other) ?? [])
          .find((one) => isSame(one, attribute));
      values.push(...(part?.values ?? []));
    }
    delete whole[key];
    whole[attribute] = values as string[];
  }
  return whole;
}

function partOf(entry: Entry, key: string): Part | undefined {
  const [, attribute, end] = /^([^;]+);range=\d+-(\d+|\*)$/i.exec(key) ?? [];
  if (attribute === undefined || end === undefined) return undefined;
  const values = [entry[key] ?? []].flat();
  return { attribute, values, ...(end !== '*' && values.length > 0 && { next: Number(end) + 1 }) };
}

function isSame({ attribute }: Part, name: string): boolean {
  return attribute.toLowerCase() === name.toLowerCase();
}
