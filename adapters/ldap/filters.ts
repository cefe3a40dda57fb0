/** Search filters (RFC 4515) for one person, by user name and by the immutable id of the entry. */
import { AndFilter, EqualityFilter, Filter, FilterParser, OrFilter } from 'ldapts';

/** Returns the search filter for a user name, escaped as in RFC 4515. */
export function filterFor(template: string, username: string): string {
  return template.replaceAll('{username}', () => Filter.escape(username));
}

/**
 * Returns the search filter for the id of an entry. The other conditions of the template still apply, such as the
 * membership of a group; those about the user name only require that there is one.
 */
export function filterForId(template: string, attribute: string, id: string): Filter {
  return new AndFilter({ filters: [idFilter(attribute, id), FilterParser.parseString(anyName(template))] });
}

/** Matching rules and comparisons cannot have a wildcard, so they become the presence of their attribute. */
function anyName(template: string): string {
  return template
    .replaceAll(/\(([\w-]+)(?::[\w.:-]*|[~<>])=[^()]*\{username\}[^()]*\)/g, '($1=*)')
    .replaceAll('{username}', '*')
    .replaceAll(/\*{2,}/g, '*');
}

/** @NOTE ldapts sends text as UTF-8, also where it is escaped, so octets are passed as a buffer. */
function idFilter(attribute: string, id: string): Filter {
  const text = new EqualityFilter({ attribute, value: id });
  const hex = id.replaceAll('-', '');
  if (!/^([0-9a-f]{2})+$/i.test(hex)) return text;
  const octets = Buffer.from(hex, 'hex');
  if (attribute.toLowerCase() === 'objectguid') return new EqualityFilter({ attribute, value: guidOctets(octets) });
  // an id without dashes may be that of an octet string, which is read as hexadecimal digits
  return id.includes('-') ? text : new OrFilter({ filters: [text, new EqualityFilter({ attribute, value: octets })] });
}

/** The first three fields of a GUID are little-endian ([MS-DTYP] section 2.3.4.2); this is its own inverse. */
export function guidOctets(octets: Buffer): Buffer {
  const copy = Buffer.from(octets);
  copy.subarray(0, 4).reverse();
  copy.subarray(4, 6).reverse();
  copy.subarray(6, 8).reverse();
  return copy;
}
