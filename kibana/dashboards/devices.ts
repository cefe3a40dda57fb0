import { action, deniedLinks, links, reportedLinks } from '../fields.ts';
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
import { deviceEvents } from '../searches.ts';
import { userActivityId } from './user-activity.ts';

const added = action('device-add');
const removed = action('device-remove');
const asked = `(${both(action('device-link'), 'event.reason: requested')}) or ${action('approval-request')}`;
const keyChanges = action('identity-change');
const low = action('keys-low');
const empty = both(low, 'event.reason: none-left');
const fetches = action('keys-fetch');
const withoutOneTime = both(fetches, 'event.reason: (none-left or limited)');
const deadTokens = both(action('push-change'), 'event.reason: token-dead');
const failedWakeUps = action('wake-up-send');

/** Devices of accounts: added, linked, denied and removed; identity keys, the key directory and push. */
export const devices: Dashboard = {
  id: 'vyry-devices',
  title: 'Vyry: devices and keys',
  description: 'Devices added, linked, denied and removed; changed identity keys, empty key directories, push',
  controls: [
    { field: 'related.user', title: 'Person' },
    { field: 'event.action', title: 'Action' },
    { field: 'event.reason', title: 'Reason' },
    { field: 'source.ip', title: 'Address' },
    { field: 'vyry.messaging.provider', title: 'Provider' },
  ],
  rows: [
    row(
      6,
      metric(count('Devices added', added)),
      metric(count('Devices linked', both(added, 'event.reason: link'))),
      metric(count('Links and approvals denied', deniedLinks)),
      metric(count('Denied with a report', reportedLinks)),
      metric(count('Devices removed', removed)),
      metric(count('Identity keys changed', keyChanges)),
    ),
    row(
      12,
      barsOverTime(
        'Devices over time',
        cases('Event', { added, removed, 'link denied': deniedLinks, 'identity key changed': keyChanges }),
        `${added} or ${removed} or ${deniedLinks} or ${keyChanges}`,
      ),
      barsOverTime('Links and approvals', values('Outcome', 'event.reason'), links),
    ),
    row(
      12,
      donut('How devices were added', values('How', 'event.reason'), added),
      donut('Why devices were removed', values('Reason', 'event.reason'), removed),
      donut('Why identity keys changed', values('Reason', 'event.reason'), keyChanges),
    ),
    row(
      12,
      opening(
        userActivityId,
        table(
          'Denied links and approvals by account',
          [values('Account', 'user.id', 20)],
          [count('Denied'), count('Reported', 'event.reason: reported'), last('Last denied')],
          deniedLinks,
        ),
      ),
      opening(
        userActivityId,
        table(
          'New devices that asked, by address',
          [values('Address', 'source.ip', 20)],
          [count('Asked'), distinct('Accounts asked', 'user.target.id'), last('Last time')],
          asked,
        ),
      ),
      opening(
        userActivityId,
        table(
          'Identity keys changed, by account',
          [values('Account', 'user.id', 20), values('Reason', 'event.reason', 3)],
          [count('Changes'), last('Last change')],
          keyChanges,
        ),
      ),
    ),
    row(
      6,
      metric(count('Uploads of keys', action('keys-upload'))),
      metric(count('Fetches of keys', fetches)),
      metric(count('Fetches without one-time keys', withoutOneTime)),
      metric(count('Key directories low', both(low, 'event.reason: few-left'))),
      metric(count('Key directories empty', empty)),
    ),
    row(
      12,
      barsOverTime('Key directories that ran low', values('Left', 'event.reason'), low),
      opening(
        userActivityId,
        table(
          'Drained key directories',
          [values('Account', 'user.target.id', 20)],
          [count('Times empty', 'event.reason: none-left'), count('Events'), last('Last time')],
          low,
        ),
      ),
      opening(
        userActivityId,
        table(
          'Accounts that fetch keys',
          [values('Account', 'user.id', 20)],
          [
            count('Fetches'),
            count('Without one-time keys', 'event.reason: (none-left or limited)'),
            distinct('Users', 'user.target.id'),
          ],
          fetches,
        ),
      ),
    ),
    row(
      12,
      table(
        'Push providers',
        [values('Provider', 'vyry.messaging.provider')],
        [count('Events'), count('Dead registrations', deadTokens), count('Wake-ups refused', failedWakeUps)],
        `${action('push-change')} or ${failedWakeUps}`,
      ),
      barsOverTime(
        'Push registrations over time',
        cases('Change', {
          dead: deadTokens,
          'set or removed by the app': `${action('push-change')} and not event.reason: token-dead`,
        }),
        action('push-change'),
      ),
      ranking(
        'Why wake-ups were not sent',
        [values('Reason', 'event.reason'), values('Provider', 'vyry.messaging.provider')],
        failedWakeUps,
      ),
    ),
    row(15, listing(deviceEvents)),
  ],
};
