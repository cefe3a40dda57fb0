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

/** Who tries to prove who they are, from where, and what is refused. */
export const authentication: Dashboard = {
  id: 'vyry-authentication',
  title: 'Vyry: authentication attempts',
  description: 'Who tries to prove who they are, from where, and what is refused',
  controls: [
    { field: 'event.action', title: 'What was tried' },
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
            last('Last try'),
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
            last('Last try'),
          ],
          passwordTries,
        ),
      ),
    ),
    row(
      12,
      heatmap('When attempts fail', values('What was tried', 'event.action'), failedAttempts),
      linesOverTime('Successes and failures', [count('Events')], attempts, cases('Outcome', { succeeded, failed })),
    ),
    row(
      12,
      ranking(
        'What was tried',
        [values('What was tried', 'event.action'), values('Outcome', 'event.outcome')],
        attempts,
      ),
      ranking('Programs with failures', [values('User agent', 'user_agent.original')], failedAttempts),
    ),
    row(
      12,
      donut('What the directory said', values('Reason', 'event.reason', 15), both(action('ldap-login'), failed)),
      barsOverTime('Captchas that were not good enough', values('Reason', 'event.reason'), action('captcha-verify')),
    ),
    row(15, listing(failures)),
  ],
};
