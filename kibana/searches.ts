/** The lists of events to read, each a Discover session and the last panel of a dashboard. */
import { action, failed, securityEvents, serverErrors } from './fields.ts';
import type { Search } from './panels.ts';

/** Everything that was refused or went wrong. */
export const failures: Search = {
  id: 'vyry-failures',
  title: 'Failures',
  description: 'Everything that was refused or went wrong, the newest first',
  where: failed,
  columns: ['event.action', 'event.reason', 'user.id', 'user.hash', 'source.ip', 'vyry.registration.id', 'message'],
};

/** Requests to look up in the logs. */
export const brokenRequests: Search = {
  id: 'vyry-server-errors',
  title: 'Requests that failed (5xx)',
  description: 'Answers with 5xx; the trace id finds the log lines of every process',
  where: serverErrors,
  columns: ['http.request.method', 'url.path', 'http.response.status_code', 'error.code', 'trace.id', 'source.ip'],
};

/** What a security team reads first. */
export const securityList: Search = {
  id: 'vyry-security-events',
  title: 'Security events',
  description: 'Lock-outs, denials, limits, roles, operators, gaps of the audit log',
  where: securityEvents,
  columns: ['event.action', 'event.outcome', 'event.reason', 'user.id', 'source.ip', 'rule.name', 'message'],
};

/** What operators did. */
export const operatorActs: Search = {
  id: 'vyry-operator-acts',
  title: 'What operators did',
  description: 'Acts on registrations, decrypted payloads, log-ins',
  where: action('operator-act', 'payload-decode', 'operator-login'),
  columns: ['vyry.operator.name', 'event.action', 'vyry.operator.act', 'event.outcome', 'vyry.registration.id'],
};

/** All events, for a dashboard whose controls choose somebody. */
export const everything: Search = {
  id: 'vyry-events',
  title: 'Events',
  description: 'All events of whoever is chosen above',
  where: '',
  columns: ['event.action', 'event.outcome', 'event.reason', 'user.id', 'source.ip', 'vyry.registration.id', 'message'],
};

/** All of them, in the order of the file. */
export const searches = [failures, brokenRequests, securityList, operatorActs, everything];
