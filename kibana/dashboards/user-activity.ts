import { action, failed, succeeded } from '../fields.ts';
import { both } from '../kql.ts';
import {
  barsOverTime,
  count,
  type Dashboard,
  distinct,
  donut,
  first,
  last,
  linesOverTime,
  listing,
  metric,
  ranking,
  row,
  table,
  values,
} from '../panels.ts';
import { everything } from '../searches.ts';

/** The dashboard that the drilldowns of the others open. */
export const userActivityId = 'vyry-user-activity';

const seen = [count('Events'), count('Failures', failed), first('First seen'), last('Last seen')];
const programs = distinct('User agents', 'user_agent.original');

/** The activity of a person, selected by id, pseudonym, registration or address. */
export const userActivity: Dashboard = {
  id: userActivityId,
  title: 'Vyry: user activity',
  description: 'The activity of a person: select one by id, pseudonym, registration or address',
  controls: [
    { field: 'user.id', title: 'Person' },
    { field: 'user.hash', title: 'Pseudonym' },
    { field: 'vyry.registration.id', title: 'Registration' },
    { field: 'source.ip', title: 'Address' },
    { field: 'event.action', title: 'Action' },
  ],
  rows: [
    row(
      6,
      metric(distinct('People', 'user.id')),
      metric(count('Registrations started', action('registration-start'))),
      metric(count('Accounts created', both(action('user-register'), succeeded))),
      metric(count('Registrations without an account', both(action('user-register'), failed))),
      metric(count('Sessions started', action('session-start'))),
      metric(count('Sessions ended', action('session-revoke', 'logout'))),
    ),
    row(
      12,
      barsOverTime(
        'Events by action',
        values('Action', 'event.action', 12),
        'event.category: (iam or authentication or session)',
      ),
    ),
    row(
      15,
      table(
        'Events by person',
        [values('Person', 'user.id', 20)],
        [...seen, distinct('Addresses', 'source.ip'), programs],
        'user.id: *',
      ),
    ),
    row(
      15,
      table(
        'Addresses',
        [values('Address', 'source.ip', 20)],
        [...seen, distinct('Registrations', 'vyry.registration.id'), programs],
        'source.ip: *',
      ),
      table('Registrations', [values('Registration', 'vyry.registration.id', 20)], seen, 'vyry.registration.id: *'),
    ),
    row(
      12,
      ranking(
        'Completed and refused steps',
        [values('Step', 'vyry.registration.step'), values('Outcome', 'event.outcome')],
        `vyry.registration.step: * and (${action('registration-step')} or ${failed})`,
      ),
      barsOverTime('Ends of registrations', values('State', 'vyry.registration.state'), action('user-register')),
      donut(
        'Why registrations ended without an account',
        values('Reason', 'event.reason', 15),
        both(action('user-register'), failed),
      ),
    ),
    row(
      12,
      linesOverTime(
        'Sessions',
        [count('Sessions')],
        action('session-start', 'token-refresh', 'session-revoke', 'logout'),
        values('Action', 'event.action'),
      ),
      table(
        'Changes of accounts',
        [values('Action', 'event.action'), values('Account', 'user.target.id', 5)],
        [count('Changes'), last('Last change')],
        'event.category: iam and user.target.id: *',
      ),
    ),
    row(15, listing(everything)),
  ],
};
