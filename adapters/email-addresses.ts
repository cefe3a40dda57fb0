/**
 * E-mail addresses: RFC 5321 dot-strings, with an IDNA domain (RFC 5891). Pure functions without network access.
 *
 * A percent or exclamation mark in the local part is refused: relays may interpret it as a route to another server.
 */
import { domainToASCII } from 'node:url';
import { cleanText } from '../domain/text.ts';

const localPart = /^[\w#$&'*+/=?^`{|}~-]+(\.[\w#$&'*+/=?^`{|}~-]+)*$/;
/** Characters that no domain name contains. `domainToASCII` would cut, drop or decode them. */
const notInDomain = /[\s\p{Cc}/\\?#%:@[\]]/u;
const domain = /^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$/;

/**
 * Parses one address, as typed, pasted or stored in a directory. Returns it with the domain in
 * lower-case ASCII and the local part unchanged, or undefined if the text is not exactly one address.
 */
export function parseEmailAddress(typed: string): string | undefined {
  const text = cleanText(typed);
  const at = text.lastIndexOf('@');
  const local = text.slice(0, at);
  if (at < 1 || local.length > 64 || text.length > 320 || !localPart.test(local)) return undefined;
  const name = text.slice(at + 1);
  if (notInDomain.test(name)) return undefined;
  const ascii = domainToASCII(name).toLowerCase();
  return domain.test(ascii) ? `${local}@${ascii}` : undefined;
}
