/**
 * The alert rules: one list, written as Kibana rules and as detection rules of the Security app (`rules.ts`).
 *
 * Terminology
 * - a rule looks once a minute at the events of its window; it fires when a group has reached the threshold, once, until
 *   the group is below it again.
 * - while somebody registers there is no user id yet: rules about a person group by the pseudonym of the name
 *   (`user.hash`) or by the registration.
 */
import { action, attempts, failed, lockOuts, passwordTries, serverErrors } from './fields.ts';
import { both } from './kql.ts';

export type Severity = 'low' | 'medium' | 'high' | 'critical';

/** A rule. */
export interface Alert {
  /** UUID of the rule in Kibana; never changes, so that a rule is changed and not doubled. */
  id: string;
  name: string;
  severity: Severity;
  /** KQL of the events that count. */
  where: string;
  /** Field whose values are counted apart; everything together without it. */
  by?: string;
  windowMinutes: number;
  /** Fires from so many events in the window on; 0 means when there is none at all. */
  threshold: number;
  /** And from so many different values of a field on. */
  distinct?: { field: string; threshold: number };
  /** Fires when that was so at so many checks in a row; 1 without it. */
  checks?: number;
  /** MITRE ATT&CK technique, where there is one. */
  technique?: Technique;
  means: string;
  doFirst: string;
}

/** https://attack.mitre.org/techniques/T1110/ */
export interface Technique {
  id: string;
  name: string;
  parent: { id: string; name: string };
}

const bruteForce = { id: 'T1110', name: 'Brute Force' };
const guessing: Technique = { id: 'T1110.001', name: 'Password Guessing', parent: bruteForce };
const spraying: Technique = { id: 'T1110.003', name: 'Password Spraying', parent: bruteForce };

/** Every rule that ships. The numbers are for a deployment of some thousand people; raise what is too loud. */
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
    means: 'One address failed 20 times in 5 minutes to prove who it is: passwords, codes or PINs.',
    doFirst:
      'Open the address in user activity. Did a try succeed after the failures? Then treat that account as taken.',
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
      'One address failed with 10 or more different names in 10 minutes, few tries each, below every limit on a name.',
    doFirst: 'Block the address in front of the api. Look for successes among the names it tried.',
  },
  {
    id: '9c6f847a-218d-499a-a368-03cc79c75256',
    name: 'Many wrong passwords for one name',
    severity: 'medium',
    where: both(passwordTries, failed),
    by: 'user.hash',
    windowMinutes: 15,
    // DIRECTORY_TRIES lets 5 through in 15 minutes, so that a higher number would never be reached.
    threshold: 5,
    technique: guessing,
    means: 'All 5 tries that a name has in 15 minutes were used up.',
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
      'Five codes were refused for one registration in 15 minutes: every try of a code, or tries at several codes.',
    doFirst: 'See whose registration it is and from which addresses the codes came. Cancel it if it goes on.',
  },
  {
    id: 'aa014c7d-faa6-44dc-b625-7f3915414b82',
    name: 'Pumping of codes from one address',
    severity: 'high',
    where: action('otp-request'),
    by: 'source.ip',
    windowMinutes: 10,
    threshold: 30,
    means: 'One address made us send 30 codes in 10 minutes. With SMS somebody may earn money by it.',
    doFirst: 'Block the address. Look at the countries of the numbers in OTP usage, and limit them at the provider.',
  },
  {
    id: 'e84358e0-ebe8-4182-8d45-00a6df1dfdcb',
    name: 'Burst of lock-outs',
    severity: 'high',
    where: lockOuts,
    windowMinutes: 15,
    threshold: 3,
    means: 'Three lock-outs in 15 minutes: somebody tries many accounts, or locks people out on purpose.',
    doFirst: 'Look for a common address. Unlock people only when it is stopped.',
  },
  {
    id: 'df6b7630-d568-4526-8b71-74de3abce023',
    name: 'Burst of refusals by limits',
    severity: 'medium',
    where: action('rate-limited'),
    windowMinutes: 10,
    threshold: 50,
    means: 'Limits refused 50 requests in 10 minutes: they hold, and somebody keeps on.',
    doFirst:
      'Which limit, which addresses (security events)? One address: block it. Many: is a client of ours in a loop?',
  },
  {
    id: '067ace8c-d3dd-4c78-b059-b87a64896d0d',
    name: 'Requests fail (5xx)',
    severity: 'high',
    where: serverErrors,
    windowMinutes: 5,
    threshold: 20,
    means: 'Twenty requests failed in 5 minutes by our fault or that of a system we need.',
    doFirst: 'Ask /health/ready. Take a trace id of the list in errors and latency to the logs.',
  },
  {
    id: '720757cd-4514-48c3-97eb-740a37e8a243',
    name: 'An outside system stays away',
    severity: 'high',
    where: action('dependency-away'),
    by: 'vyry.dependency.name',
    windowMinutes: 5,
    threshold: 1,
    // a window of 5 minutes holds one failure for 5 checks; 10 take an outage that goes on
    checks: 10,
    means: 'The directory or a provider was found away again and again for 5 minutes or longer.',
    doFirst: 'Ask /health/ready and the status page of the provider. Registrations wait and go on by themselves.',
  },
  {
    id: '88a3b878-69f5-496a-9945-94fe67873c93',
    name: 'Failed log-ins of operators',
    severity: 'high',
    where: both(action('operator-login'), failed),
    windowMinutes: 10,
    threshold: 3,
    technique: guessing,
    means: 'Three wrong passwords in 10 minutes where operators log in, which only their network should reach.',
    doFirst: 'Ask the operators. If it was none of them, close the port and change the password.',
  },
  {
    id: '58734d03-6a0c-4162-9b51-de2a45b58f79',
    name: 'Gap in the audit log',
    severity: 'high',
    where: action('audit-gap'),
    windowMinutes: 10,
    threshold: 1,
    means: 'Audit events were dropped because Redis held as many as it may: nobody can say what they were.',
    doFirst:
      'See when and how many in security events. Was Elasticsearch away, or did somebody flood us to hide something?',
  },
  {
    id: '056c232f-d2ed-4aab-a7e4-7f905e4f1ae8',
    name: 'The audit log is silent',
    severity: 'critical',
    where: '',
    windowMinutes: 10,
    threshold: 0,
    means: 'Not one event in 10 minutes, not even the heartbeat that is sent every minute: we see nothing.',
    doFirst: 'Does an audit process run? Does it reach Redis and Elasticsearch? Events wait in Redis meanwhile.',
  },
];
