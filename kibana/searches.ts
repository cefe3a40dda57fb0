/** The saved searches, each a Discover session and the last panel of a dashboard. */
import { action, deviceActions, failed, messageActions, securityEvents, serverErrors } from './fields.ts';
import type { Search } from './panels.ts';

/** All refusals and failures. */
export const failures: Search = {
  id: 'vyry-failures',
  title: 'Failures',
  description: 'All refusals and failures, the newest first',
  where: failed,
  columns: ['event.action', 'event.reason', 'user.id', 'user.hash', 'source.ip', 'vyry.registration.id', 'message'],
};

/** Requests with 5xx, to look up in the logs. */
export const brokenRequests: Search = {
  id: 'vyry-server-errors',
  title: 'Requests that failed (5xx)',
  description: 'Answers with 5xx; search the logs of every process for the trace id',
  where: serverErrors,
  columns: ['http.request.method', 'url.path', 'http.response.status_code', 'error.code', 'trace.id', 'source.ip'],
};

/** The events that a security team reads first. */
export const securityList: Search = {
  id: 'vyry-security-events',
  title: 'Security events',
  description: 'Lock-outs, denials, limits, roles, operators, gaps of the audit log',
  where: securityEvents,
  columns: ['event.action', 'event.outcome', 'event.reason', 'user.id', 'source.ip', 'rule.name', 'message'],
};

/** The actions of operators. */
export const operatorActs: Search = {
  id: 'vyry-operator-acts',
  title: 'Operator activity',
  description: 'Actions on registrations and devices, decrypted payloads, log-ins',
  where: action('operator-act', 'payload-decode', 'operator-login'),
  columns: [
    'vyry.operator.name',
    'event.action',
    'vyry.operator.act',
    'event.outcome',
    'vyry.registration.id',
    'user.target.id',
  ],
};

/** What happens to devices and their keys, without the fetches of keys. */
export const deviceEvents: Search = {
  id: 'vyry-device-events',
  title: 'Devices, links and keys',
  description: 'Devices added and removed, links, approvals, identity keys, uploads of keys, push',
  where: deviceActions,
  columns: ['event.action', 'event.outcome', 'event.reason', 'user.id', 'user.target.id', 'source.ip', 'message'],
};

/** What messages and connections leave in the audit log. */
export const messageEvents: Search = {
  id: 'vyry-message-events',
  title: 'Messages and connections',
  description: 'Refused connections, floods, full inboxes, suspended devices, gaps, blocked users',
  where: messageActions,
  columns: ['event.action', 'event.reason', 'user.id', 'user.target.id', 'user.hash', 'source.ip', 'message'],
};

/** All events, for a dashboard whose controls select a person. */
export const everything: Search = {
  id: 'vyry-events',
  title: 'Events',
  description: 'All events of the selection above',
  where: '',
  columns: ['event.action', 'event.outcome', 'event.reason', 'user.id', 'source.ip', 'vyry.registration.id', 'message'],
};

/** All saved searches, in the order of the file. */
export const searches = [failures, brokenRequests, securityList, operatorActs, deviceEvents, messageEvents, everything];
