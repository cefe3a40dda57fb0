import { action, attempts, failed, lockOuts, passwordTries, succeeded } from '../fields.ts';
import { both } from '../kql.ts';
import {
  barsOverTime,
  cases,
  count,
  type Dashboard,
  distinct,
  donut,
  heatmap,
  last,
  linesOverTime,
  listing,
  metric,
  opening,
  ranking,
  ratio,
  row,
  table,
  values,
} from '../panels.ts';
import { failures } from '../searches.ts';
import { userActivityId } from './user-activity.ts';

const failedAttempts = both(attempts, failed);

/** Authentication attempts: from where, against which names, and what is refused. */
export const authentication: Dashboard = {
  id: 'vyry-authentication',
  title: 'Vyry: authentication attempts',
  description: 'Authentication attempts: from where, against which names, and what is refused',
  controls: [
    { field: 'event.action', title: 'Action' },
    { field: 'event.outcome', title: 'Outcome' },
    { field: 'source.ip', title: 'Address' },
    { field: 'user.hash', title: 'Pseudonym' },
    { field: 'service.environment', title: 'Environment' },
  ],
  rows: [
    row(
      6,
      metric(count('Attempts', attempts)),
      metric(count('Failed attempts', failedAttempts)),
      metric(ratio('Failure rate', failedAttempts, attempts)),
      metric(distinct('Names tried', 'user.hash', passwordTries)),
      metric(count('Lock-outs', lockOuts)),
      metric(count('Refused by a limit', action('rate-limited'))),
    ),
    row(
      12,
      barsOverTime('Attempts by outcome', values('Outcome', 'event.outcome'), attempts),
      donut('Why attempts failed', values('Reason', 'event.reason', 15), failedAttempts),
    ),
    row(
      15,
      opening(
        userActivityId,
        table(
          'Addresses with failures',
          [values('Address', 'source.ip', 20)],
          [
            count('Failures', failed),
            distinct('Names', 'user.hash', failed),
            count('Successes', succeeded),
            last('Last attempt'),
          ],
          attempts,
        ),
      ),
      opening(
        userActivityId,
        table(
          'Names with failures',
          [values('Pseudonym of the name', 'user.hash', 20)],
          [
            count('Failures', failed),
            distinct('Addresses', 'source.ip', failed),
            count('Successes', succeeded),
            last('Last attempt'),
          ],
          passwordTries,
        ),
      ),
    ),
    row(
      12,
      heatmap('When attempts fail', values('Action', 'event.action'), failedAttempts),
      linesOverTime('Successes and failures', [count('Events')], attempts, cases('Outcome', { succeeded, failed })),
    ),
    row(
      12,
      ranking('Attempts by action', [values('Action', 'event.action'), values('Outcome', 'event.outcome')], attempts),
      ranking('User agents with failures', [values('User agent', 'user_agent.original')], failedAttempts),
    ),
    row(
      12,
      donut(
        'Why the directory refused log-ins',
        values('Reason', 'event.reason', 15),
        both(action('ldap-login'), failed),
      ),
      barsOverTime('Refused captchas', values('Reason', 'event.reason'), action('captcha-verify')),
    ),
    row(15, listing(failures)),
  ],
};
