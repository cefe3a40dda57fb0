import { action, failed, lockOuts, securityEvents } from '../fields.ts';
import { both } from '../kql.ts';
import {
  barsOverTime,
  count,
  type Dashboard,
  distinct,
  heatmap,
  last,
  linesOverTime,
  listing,
  metric,
  opening,
  ranking,
  row,
  sum,
  table,
  values,
} from '../panels.ts';
import { operatorActs, securityList } from '../searches.ts';
import { userActivityId } from './user-activity.ts';

const heartbeats = action('audit-heartbeat');
const gaps = action('audit-gap');

/**
 * The events that a security team reads first: denials, limits, lock-outs, operators, and gaps in the audit log itself.
 */
export const security: Dashboard = {
  id: 'vyry-security',
  title: 'Vyry: security events',
  description: 'Denials, limits, lock-outs, operators, outages, and whether the audit log itself is complete',
  controls: [
    { field: 'event.action', title: 'Action' },
    { field: 'source.ip', title: 'Address' },
    { field: 'rule.name', title: 'Limit' },
    { field: 'vyry.operator.name', title: 'Operator' },
    { field: 'service.environment', title: 'Environment' },
  ],
  rows: [
    row(
      6,
      metric(count('Lock-outs', lockOuts)),
      metric(count('Access denied', action('access-denied'))),
      metric(count('Refused by a limit', action('rate-limited'))),
      metric(count('Refresh tokens refused', both(action('token-refresh'), failed))),
      metric(count('Roles changed', action('role-change'))),
      metric(count('Actions of operators', action('operator-act', 'payload-decode'))),
    ),
    row(12, barsOverTime('Security events over time', values('Action', 'event.action', 12), securityEvents)),
    row(
      15,
      opening(
        userActivityId,
        table(
          'Addresses',
          [values('Address', 'related.ip', 20)],
          [
            count('Events'),
            distinct('Kinds', 'event.action'),
            distinct('Registrations', 'vyry.registration.id'),
            last('Last seen'),
          ],
          securityEvents,
        ),
      ),
      table(
        'Limits by address',
        [values('Limit', 'rule.name'), values('Address', 'source.ip', 5)],
        [count('Refused'), last('Last time')],
        action('rate-limited'),
      ),
    ),
    row(
      12,
      barsOverTime('Limits over time', values('Limit', 'rule.name'), action('rate-limited')),
      ranking(
        'Where access was denied',
        [values('Route', 'url.path'), values('Failure', 'error.code')],
        action('access-denied'),
      ),
      heatmap('When access was denied', values('Failure', 'error.code'), action('access-denied')),
    ),
    row(
      12,
      table(
        'Operators',
        [values('Operator', 'vyry.operator.name'), values('Action', 'vyry.operator.act', 5)],
        [count('Actions'), last('Last action')],
        action('operator-act', 'payload-decode'),
      ),
      barsOverTime('Log-ins of operators', values('Outcome', 'event.outcome'), action('operator-login')),
      barsOverTime('Outages', values('Dependency', 'vyry.dependency.name'), action('dependency-away')),
    ),
    row(
      6,
      metric(count('Heartbeats of the audit log', heartbeats)),
      metric(last('Last heartbeat', heartbeats)),
      metric(count('Gaps in the audit log', gaps)),
      metric(sum('Events dropped', 'vyry.audit.dropped', gaps)),
    ),
    row(
      12,
      linesOverTime('Heartbeats over time', [count('Heartbeats')], heartbeats),
      barsOverTime('Events by role', values('Role', 'service.node.role'), ''),
      table(
        'Processes',
        [values('Process', 'service.node.name', 20), values('Action', 'event.action', 2)],
        [count('Times'), last('Last time')],
        action('process-start', 'process-stop'),
      ),
    ),
    row(15, listing(securityList)),
    row(15, listing(operatorActs)),
  ],
};
