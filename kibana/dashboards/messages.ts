import { action, refusedConnections } from '../fields.ts';
import { both } from '../kql.ts';
import {
  barsOverTime,
  cases,
  count,
  type Dashboard,
  distinct,
  donut,
  last,
  listing,
  metric,
  opening,
  ranking,
  row,
  table,
  values,
} from '../panels.ts';
import { messageEvents } from '../searches.ts';
import { userActivityId } from './user-activity.ts';

const floods = action('message-flood');
const full = action('inbox-full');
const gaps = action('inbox-gap');
const suspended = action('device-suspend');
const blocks = action('user-block');
const unblocks = action('user-unblock');

/** Floods, refused connections, inboxes that overflow and blocked users. Messages themselves leave no event. */
export const messages: Dashboard = {
  id: 'vyry-messages',
  title: 'Vyry: messages and connections',
  description: 'Refused connections, floods, full inboxes and suspended devices, blocked users. Never a message',
  controls: [
    { field: 'related.user', title: 'Person' },
    { field: 'event.action', title: 'Action' },
    { field: 'event.reason', title: 'Reason' },
    { field: 'source.ip', title: 'Address' },
    { field: 'rule.name', title: 'Limit' },
  ],
  rows: [
    row(
      6,
      metric(count('Connections refused', refusedConnections)),
      metric(count('Minutes of floods', floods)),
      metric(count('Inboxes full', full)),
      metric(count('Devices suspended', suspended)),
      metric(count('Gaps told to devices', gaps)),
      metric(count('Users blocked', blocks)),
    ),
    row(
      12,
      barsOverTime(
        'Messages and connections over time',
        cases('Event', {
          'connection refused': refusedConnections,
          flood: floods,
          'inbox full': full,
          blocked: blocks,
        }),
        `${refusedConnections} or ${floods} or ${full} or ${blocks}`,
      ),
      barsOverTime('Refused connections', values('Reason', 'event.reason'), refusedConnections),
    ),
    row(
      12,
      opening(
        userActivityId,
        table(
          'Refused connections by address',
          [values('Address', 'source.ip', 20), values('Reason', 'event.reason', 3)],
          [count('Minutes'), last('Last time')],
          refusedConnections,
        ),
      ),
      opening(
        userActivityId,
        table(
          'Floods by account',
          [values('Account', 'user.id', 20), values('Reason', 'event.reason', 3)],
          [count('Minutes'), distinct('Addresses', 'source.ip'), last('Last time')],
          floods,
        ),
      ),
    ),
    row(
      12,
      table(
        'Blocked users, by pseudonym',
        [values('Pseudonym', 'user.hash', 20)],
        [count('Blocked', blocks), distinct('By people', 'user.id'), count('Unblocked', unblocks), last('Last time')],
        `${blocks} or ${unblocks}`,
      ),
      opening(
        userActivityId,
        table(
          'Full inboxes and suspended devices',
          [values('Account', 'user.target.id', 20)],
          [
            count('Full', full),
            count('Overflow', both(suspended, 'event.reason: overflow')),
            count('Idle', both(suspended, 'event.reason: idle')),
            last('Last time'),
          ],
          `${full} or ${suspended}`,
        ),
      ),
    ),
    row(
      12,
      barsOverTime(
        'Blocks over time',
        cases('Change', { blocked: blocks, unblocked: unblocks }),
        `${blocks} or ${unblocks}`,
      ),
      barsOverTime('Gaps over time', values('Reason', 'event.reason'), gaps),
    ),
    row(
      12,
      ranking('Limits and refusals of floods', [values('Reason', 'event.reason')], floods),
      donut('Why devices were suspended', values('Reason', 'event.reason'), suspended),
      donut('Why identity keys were announced', values('Reason', 'event.reason'), action('identity-announce')),
    ),
    row(15, listing(messageEvents)),
  ],
};
