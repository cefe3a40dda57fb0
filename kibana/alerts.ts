/**
 * The alert rules: one list, written as Kibana rules and as detection rules of the Security app (`rules.ts`).
 *
 * A rule checks the events of its window once a minute. It fires once when a group reaches the threshold, and again
 * only after the group was below it. During a registration there is no user id yet: rules about a person group by the
 * pseudonym of the name (`user.hash`) or by the registration.
 */
import { action, attempts, failed, lockOuts, passwordTries, reportedLinks, serverErrors } from './fields.ts';
import { both } from './kql.ts';

/** The severity of an alert, as Kibana has it. */
export type Severity = 'low' | 'medium' | 'high' | 'critical';

/** A rule. */
export interface Alert {
  /** UUID of the rule in Kibana. It never changes, so that an import updates the rule instead of adding another. */
  id: string;
  name: string;
  severity: Severity;
  /** KQL that selects the counted events. */
  where: string;
  /** Field by whose values events are grouped; all events together without it. */
  by?: string;
  windowMinutes: number;
  /** Fires at this number of events in the window; 0 means that it fires when there is no event. */
  threshold: number;
  /** Also requires this number of different values of a field. */
  distinct?: { field: string; threshold: number };
  /** Fires when the threshold was reached at this number of checks in a row; 1 by default. */
  checks?: number;
  /** MITRE ATT&CK technique, if there is one. */
  technique?: Technique;
  means: string;
  doFirst: string;
}

/** A MITRE ATT&CK technique: https://attack.mitre.org/techniques/T1110/ */
export interface Technique {
  id: string;
  name: string;
  parent: { id: string; name: string };
}

const bruteForce = { id: 'T1110', name: 'Brute Force' };
const guessing: Technique = { id: 'T1110.001', name: 'Password Guessing', parent: bruteForce };
const spraying: Technique = { id: 'T1110.003', name: 'Password Spraying', parent: bruteForce };

/** All rules. The thresholds suit a deployment of some thousand people; raise those that fire too often. */
export const alerts: readonly Alert[] = [
  {
    id: 'f4a7be19-8b10-434e-bc2f-449ed032c4f8',
    name: 'Brute force from one address',
    severity: 'high',
    where: both(attempts, failed),
    by: 'source.ip',
    windowMinutes: 5,
    threshold: 20,
    technique: guessing,
    means: 'One address failed 20 authentication attempts in 5 minutes: passwords, codes or PINs.',
    doFirst:
      'Open the address in user activity. If an attempt succeeded after the failures, treat that account as compromised.',
  },
  {
    id: '6e6cb5c9-a2cd-4323-8a4f-890b9b30f3c9',
    name: 'Password spraying from one address',
    severity: 'high',
    where: both(passwordTries, failed),
    by: 'source.ip',
    windowMinutes: 10,
    threshold: 10,
    distinct: { field: 'user.hash', threshold: 10 },
    technique: spraying,
    means:
      'One address failed with 10 or more names in 10 minutes, with few attempts each, below every limit on a name.',
    doFirst: 'Block the address in front of the api. Look for successes among the names it tried.',
  },
  {
    id: '9c6f847a-218d-499a-a368-03cc79c75256',
    name: 'Many wrong passwords for one name',
    severity: 'medium',
    where: both(passwordTries, failed),
    by: 'user.hash',
    windowMinutes: 15,
    // DIRECTORY_TRIES allows 5 in 15 minutes, so a higher threshold would never be reached
    threshold: 5,
    technique: guessing,
    means: 'All 5 attempts that a name has in 15 minutes were used.',
    doFirst: 'One address and then a success: somebody forgot a password. Many addresses: warn the person.',
  },
  {
    id: '54fe5f92-ffe5-4bfb-8fde-7fe5d18f6831',
    name: 'Guessing of codes',
    severity: 'high',
    where: both(action('otp-verify'), failed),
    by: 'vyry.registration.id',
    windowMinutes: 15,
    threshold: 5,
    technique: guessing,
    means:
      'Five codes were refused for one registration in 15 minutes: all attempts of one code, or attempts at several.',
    doFirst: 'Find out whose registration it is and from which addresses the codes came. Cancel it if it goes on.',
  },
  {
    id: 'aa014c7d-faa6-44dc-b625-7f3915414b82',
    name: 'Pumping of codes from one address',
    severity: 'high',
    where: action('otp-request'),
    by: 'source.ip',
    windowMinutes: 10,
    threshold: 30,
    means: 'One address requested 30 codes in 10 minutes. With SMS an attacker may earn money from them.',
    doFirst: 'Block the address. Look at the countries of the numbers in OTP usage, and limit them at the provider.',
  },
  {
    id: 'e84358e0-ebe8-4182-8d45-00a6df1dfdcb',
    name: 'Burst of lock-outs',
    severity: 'high',
    where: lockOuts,
    windowMinutes: 15,
    threshold: 3,
    means: 'Three lock-outs in 15 minutes: somebody attacks many accounts, or locks people out on purpose.',
    doFirst: 'Look for a common address. Unlock people only when the attack has stopped.',
  },
  {
    id: 'df6b7630-d568-4526-8b71-74de3abce023',
    name: 'Burst of refusals by limits',
    severity: 'medium',
    where: action('rate-limited'),
    windowMinutes: 10,
    threshold: 50,
    means: 'Limits refused 50 requests in 10 minutes: the limits hold, and somebody continues.',
    doFirst:
      'Which limit, which addresses (security events)? One address: block it. Many: is one of our clients in a loop?',
  },
  {
    id: '067ace8c-d3dd-4c78-b059-b87a64896d0d',
    name: 'Requests fail (5xx)',
    severity: 'high',
    where: serverErrors,
    windowMinutes: 5,
    threshold: 20,
    means: 'Twenty requests failed in 5 minutes because of Vyry or one of its dependencies.',
    doFirst: 'Check /health/ready. Search the logs for a trace id of the list in errors and latency.',
  },
  {
    id: '720757cd-4514-48c3-97eb-740a37e8a243',
    name: 'A dependency stays unavailable',
    severity: 'high',
    where: action('dependency-away'),
    by: 'vyry.dependency.name',
    windowMinutes: 5,
    threshold: 1,
    // one failure is in the window for 5 checks; 10 checks need an outage that lasts
    checks: 10,
    means: 'The directory or a provider was repeatedly unavailable for 5 minutes or longer.',
    doFirst: 'Check /health/ready and the status page of the provider. Registrations wait and continue on their own.',
  },
  {
    id: '88a3b878-69f5-496a-9945-94fe67873c93',
    name: 'Failed log-ins of operators',
    severity: 'high',
    where: both(action('operator-login'), failed),
    windowMinutes: 10,
    threshold: 3,
    technique: guessing,
    means: 'Three wrong passwords in 10 minutes at the log-in of operators, which only their network should reach.',
    doFirst: 'Ask the operators. If it was none of them, close the port and change the password.',
  },
  {
    id: 'b144593e-9d99-4e4c-a91d-a9c0fb23e07a',
    name: 'A new device was denied and reported',
    severity: 'high',
    where: reportedLinks,
    by: 'user.id',
    windowMinutes: 10,
    threshold: 1,
    means:
      'A person denied a new device of their account and reported it: somebody tries to get into the account, with its password or code, or by a QR code that the person was made to scan.',
    doFirst:
      'Open the account in devices and keys: from which address did the new device ask? Call the person. Remove devices that they do not know with vyry devices revoke, and let them change the password.',
  },
  {
    id: '3f0c6a5e-9d1b-4c59-8b7a-6a2f4f0d9e11',
    name: 'Flood of messages from one device',
    severity: 'medium',
    where: action('message-flood'),
    by: 'user.id',
    windowMinutes: 10,
    // one event a minute, so that a client that stops when it is refused never gets here
    threshold: 5,
    means:
      'An account had at least 20 messages a minute refused in 5 of 10 minutes: the limits hold, and it continues.',
    doFirst:
      'Which limit or refusal (messages and connections)? A client in a loop: ask its owner. Otherwise disable the account.',
  },
  {
    id: 'c2d9a1b4-51f7-4e0e-9c36-0b8f5e7d2a93',
    name: 'A sender whom many people block',
    severity: 'medium',
    where: action('user-block'),
    by: 'user.hash',
    windowMinutes: 60,
    threshold: 10,
    means: 'One sender, shown as a pseudonym, was blocked ten times within an hour: probably unwanted messages.',
    doFirst:
      'Compare the time with floods and new accounts. vyry audit pseudonym prints the pseudonym of an account that you suspect.',
  },
  {
    id: '58734d03-6a0c-4162-9b51-de2a45b58f79',
    name: 'Gap in the audit log',
    severity: 'high',
    where: action('audit-gap'),
    windowMinutes: 10,
    threshold: 1,
    means: 'Audit events were dropped because the stream in Redis was full. Their content is lost.',
    doFirst:
      'See when and how many in security events. Was Elasticsearch unavailable, or did somebody flood us to hide something?',
  },
  {
    id: '056c232f-d2ed-4aab-a7e4-7f905e4f1ae8',
    name: 'The audit log is silent',
    severity: 'critical',
    where: '',
    windowMinutes: 10,
    threshold: 0,
    means: 'No event arrived in 10 minutes, not even the heartbeat that is sent every minute.',
    doFirst: 'Does an audit process run? Does it reach Redis and Elasticsearch? Events wait in Redis meanwhile.',
  },
];
