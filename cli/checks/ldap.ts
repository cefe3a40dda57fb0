/** The directory: how far the service account comes with each server, and why no further, in words. */

import type { RefusalReason } from '../../adapters/ldap/answer.ts';
import { checkDirectory, type ServerFinding } from '../../adapters/ldap/check.ts';
import { connectDirectory, readDirectoryOptions } from '../../adapters/ldap/connect.ts';
import { namesFrom, readVariables } from '../../platform/config.ts';
import type { Finding } from './finding.ts';

interface Explanation {
  about: string;
  advice: string;
}

/** Where a server stops us for a reason that its result code does not tell. */
const reasons: Record<string, Explanation> = {
  unreachable: {
    about: 'the server cannot be reached',
    advice: 'Check host and port in LDAP_URL, the name service and the firewall.',
  },
  timeout: { about: 'the server does not answer in time', advice: 'Check the firewall, or raise LDAP_TIMEOUT.' },
  'connection-lost': {
    about: 'the server closed the connection',
    advice: 'ldaps:// and ldap:// have ports of their own: check LDAP_URL.',
  },
  'tls-failed': { about: 'TLS could not be begun', advice: 'Does the port in LDAP_URL speak TLS?' },
  'start-tls-refused': {
    about: 'the server refuses StartTLS',
    advice: 'Give it a certificate, use ldaps://, or set LDAP_START_TLS=false on a network you trust.',
  },
  'base-missing': { about: 'the base DN is not there', advice: 'Check LDAP_BASE_DN, and that the account may see it.' },
  referral: {
    about: 'the server refers to another one',
    advice: 'List the server that holds the entries in LDAP_URL.',
  },
  busy: { about: 'the server is busy', advice: 'Wait; list a second server in LDAP_URL.' },
};

/** Result codes of RFC 4511 appendix A. */
const codes: Record<string, Explanation> = {
  8: { about: 'strong authentication required', advice: 'Use ldaps:// or LDAP_START_TLS=true.' },
  13: { about: 'confidentiality required', advice: 'Use ldaps:// or LDAP_START_TLS=true.' },
  19: { about: 'the service account is locked', advice: 'Unlock it in the directory.' },
  32: { about: 'no such object', advice: 'Check LDAP_BIND_DN and LDAP_BASE_DN.' },
  48: { about: 'the service account has no password to bind with', advice: 'Give it one in the directory.' },
  49: { about: 'invalid credentials', advice: 'Check LDAP_BIND_DN and LDAP_BIND_PASSWORD.' },
  50: { about: 'insufficient access', advice: 'Let the service account read and search below LDAP_BASE_DN.' },
  53: { about: 'the server is unwilling, as for a disabled account', advice: 'Enable the account in the directory.' },
};

/** Win32 error codes that Active Directory hides in the text of result 49. */
const subCodes: Record<string, string> = {
  '525': 'no such user',
  '52e': 'wrong password',
  '530': 'not permitted at this time',
  '531': 'not permitted from this computer',
  '532': 'the password has expired',
  '533': 'the account is disabled',
  '701': 'the account has expired',
  '773': 'the password must be changed first',
  '775': 'the account is locked',
};

/** What OpenSSL and Node say of certificates. */
const certificates: Record<string, string> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another host',
  CERT_HAS_EXPIRED: 'the certificate has expired',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet',
};

const stages: Record<NonNullable<ServerFinding['stoppedAt']>, string> = {
  connection: 'connection',
  bind: 'bind of the service account',
  base: 'base DN',
  search: 'search',
};

/** A refusal of a person in words, for the operator only. */
const refusals: Record<RefusalReason, string> = {
  unknown: 'the name is not found: check LDAP_BASE_DN and LDAP_USER_FILTER',
  'wrong-password': 'the password is wrong',
  'empty-password': 'the password is empty',
  ambiguous: 'several entries fit the name: make LDAP_USER_FILTER narrower',
  disabled: 'the account is disabled',
  locked: 'the account is locked',
  expired: 'the password or the account has expired',
  'must-change': 'the password must be changed first',
  'not-now': 'it may not log in at this time or from this computer',
};

/** Examines each configured server. */
export async function checkLdap(env: Record<string, string>): Promise<Finding[]> {
  const findings = await checkDirectory(readOptions(env));
  return findings.map(findingOf);
}

/** Tries a person's name and password as a registration would. */
export async function checkLogin(env: Record<string, string>, username: string, password: string): Promise<Finding> {
  const check = 'login';
  await using directory = connectDirectory(readOptions(env));
  const answer = await directory.authenticate(username, password);
  if (answer.outcome === 'refused') return { check, verdict: 'failed', about: refusals[answer.reason] };
  if (answer.outcome === 'unavailable') {
    return { check, verdict: 'failed', about: `the directory cannot say: ${answer.reason.replaceAll('-', ' ')}` };
  }
  const { email, phone, groups } = answer.entry;
  const has = [email ? 'an address' : 'no address', phone ? 'a number' : 'no number', `${groups.length} groups`];
  return { check, verdict: 'ok', about: `name and password belong together; the entry has ${has.join(', ')}` };
}

/** A finding in words. */
export function findingOf(finding: ServerFinding): Finding {
  const check = `ldap ${new URL(finding.url).host}`;
  if (finding.stoppedAt === undefined)
    return { check, verdict: 'ok', about: 'connection, bind, base DN and search work' };
  const { about, advice } = explain(finding);
  return { check, verdict: 'failed', about: `${stages[finding.stoppedAt]}: ${about}`, advice };
}

function explain({ reason = '', detail = '', subCode = '' }: ServerFinding): Explanation {
  if (reason === 'certificate-refused') {
    const about = `${certificates[detail] ?? 'the certificate is not trusted'}${detail ? ` (${detail})` : ''}`;
    return { about, advice: 'Name its authority in LDAP_TLS_CA, and the server as its certificate does in LDAP_URL.' };
  }
  const code = codes[detail];
  const known = reasons[reason];
  if (known !== undefined) return known;
  if (code === undefined)
    return { about: `${reason.replaceAll('-', ' ')} (${detail})`, advice: 'See the log of the server.' };
  const hidden = subCodes[subCode];
  return hidden === undefined
    ? { about: `${code.about} (${detail})`, advice: code.advice }
    : { about: `${hidden} (${detail}, ${subCode})`, advice: code.advice };
}

function readOptions(env: Record<string, string>) {
  return readDirectoryOptions(readVariables(namesFrom('LDAP_'), env));
}
