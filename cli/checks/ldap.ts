/** Checks of the directory: at which stage a connection to each server fails, and why. */

import type { RefusalReason } from '../../adapters/ldap/answer.ts';
import { checkDirectory, type ServerFinding } from '../../adapters/ldap/check.ts';
import { connectDirectory, readDirectoryOptions } from '../../adapters/ldap/connect.ts';
import { readVariables } from '../../platform/config/config.ts';
import { namesFrom } from '../../platform/config/variables.ts';
import type { Finding } from './finding.ts';
import { certificateFaults, type Explanation } from './tls.ts';

/** Explanations of reasons that have no LDAP result code. */
const reasons: Record<string, Explanation> = {
  unreachable: {
    about: 'the server cannot be reached',
    advice: 'Check host and port in LDAP_URL, the name service and the firewall.',
  },
  timeout: { about: 'the server does not respond in time', advice: 'Check the firewall, or raise LDAP_TIMEOUT.' },
  'connection-lost': {
    about: 'the server closed the connection',
    advice: 'ldaps:// and ldap:// use different ports: check LDAP_URL.',
  },
  'tls-failed': { about: 'the TLS handshake failed', advice: 'Check that the port in LDAP_URL is for TLS.' },
  'start-tls-refused': {
    about: 'the server refuses StartTLS',
    advice: 'Install a certificate on it, use ldaps://, or set LDAP_START_TLS=false on a trusted network.',
  },
  'base-missing': {
    about: 'the base DN does not exist',
    advice: 'Check LDAP_BASE_DN, and that the service account may read it.',
  },
  referral: {
    about: 'the server refers to another one',
    advice: 'List the server that holds the entries in LDAP_URL.',
  },
  busy: { about: 'the server is busy', advice: 'Retry later, or add a second server to LDAP_URL.' },
};

/** Explanations of LDAP result codes (RFC 4511 appendix A). */
const codes: Record<string, Explanation> = {
  8: { about: 'strong authentication required', advice: 'Use ldaps:// or LDAP_START_TLS=true.' },
  13: { about: 'confidentiality required', advice: 'Use ldaps:// or LDAP_START_TLS=true.' },
  19: { about: 'the service account is locked', advice: 'Unlock it in the directory.' },
  32: { about: 'no such object', advice: 'Check LDAP_BIND_DN and LDAP_BASE_DN.' },
  48: { about: 'the service account has no password', advice: 'Set one in the directory.' },
  49: { about: 'invalid credentials', advice: 'Check LDAP_BIND_DN and LDAP_BIND_PASSWORD.' },
  50: { about: 'insufficient access', advice: 'Allow the service account to read and search below LDAP_BASE_DN.' },
  53: {
    about: 'the server is unwilling to perform, as for a disabled account',
    advice: 'Enable the account in the directory.',
  },
};

/** Win32 error codes that Active Directory puts into the diagnostic message of result code 49. */
const subCodes: Record<string, string> = {
  '525': 'user not found',
  '52e': 'wrong password',
  '530': 'log-in not permitted at this time',
  '531': 'log-in not permitted from this computer',
  '532': 'the password has expired',
  '533': 'the account is disabled',
  '701': 'the account has expired',
  '773': 'the password must be changed first',
  '775': 'the account is locked',
};

const stages: Record<NonNullable<ServerFinding['stoppedAt']>, string> = {
  connection: 'connection',
  bind: 'bind of the service account',
  base: 'base DN',
  search: 'search',
};

/** Explanations of refused log-ins, for operators only. */
const refusals: Record<RefusalReason, string> = {
  unknown: 'the user name was not found: check LDAP_BASE_DN and LDAP_USER_FILTER',
  'wrong-password': 'the password is wrong',
  'empty-password': 'the password is empty',
  ambiguous: 'several entries match the user name: make LDAP_USER_FILTER narrower',
  disabled: 'the account is disabled',
  locked: 'the account is locked',
  expired: 'the password or the account has expired',
  'must-change': 'the password must be changed first',
  'not-now': 'the account may not log in at this time or from this computer',
  limited: 'the tries of the account are used up',
};

/** Checks each configured LDAP server. */
export async function checkLdap(env: Record<string, string>): Promise<Finding[]> {
  const findings = await checkDirectory(readOptions(env));
  return findings.map(findingOf);
}

/** Authenticates a user name and password at the directory as a registration does. */
export async function checkLogin(env: Record<string, string>, username: string, password: string): Promise<Finding> {
  const check = 'login';
  await using directory = connectDirectory(readOptions(env));
  const answer = await directory.authenticate(username, password);
  if (answer.outcome === 'refused') return { check, verdict: 'failed', about: refusals[answer.reason] };
  if (answer.outcome === 'unavailable') {
    return { check, verdict: 'failed', about: `the directory is unavailable: ${answer.reason.replaceAll('-', ' ')}` };
  }
  const { emails, phones, groups } = answer.entry;
  const has = [
    emails.length > 0 ? 'an address' : 'no address',
    phones.length > 0 ? 'a number' : 'no number',
    `${groups.length} groups`,
  ];
  return { check, verdict: 'ok', about: `the password is correct; the entry has ${has.join(', ')}` };
}

/** Explains the result of a server check in words. */
export function findingOf(finding: ServerFinding): Finding {
  const check = `ldap ${new URL(finding.url).host}`;
  if (finding.stoppedAt === undefined)
    return { check, verdict: 'ok', about: 'connection, bind, base DN and search work' };
  const { about, advice } = explain(finding);
  return { check, verdict: 'failed', about: `${stages[finding.stoppedAt]}: ${about}`, advice };
}

function explain({ reason = '', detail = '', subCode = '' }: ServerFinding): Explanation {
  if (reason === 'certificate-refused') {
    const about = `${certificateFaults[detail] ?? 'the certificate is not trusted'}${detail ? ` (${detail})` : ''}`;
    return { about, advice: 'Set its CA in LDAP_TLS_CA, and use the host name of the certificate in LDAP_URL.' };
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
