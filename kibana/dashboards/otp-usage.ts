import { action, failed, succeeded } from '../fields.ts';
import { both } from '../kql.ts';
import {
  barsOverTime,
  count,
  type Dashboard,
  distinct,
  donut,
  linesOverTime,
  metric,
  opening,
  ranking,
  ratio,
  row,
  table,
  values,
} from '../panels.ts';
import { userActivityId } from './user-activity.ts';

const requests = action('otp-request');
const checks = action('otp-verify');
const sends = action('message-send');
const reports = action('delivery-report');
const acceptance = [
  count('Accepted', succeeded),
  count('Refused', failed),
  ratio('Accepted, share', both(sends, succeeded), sends),
];

/** How codes are requested, sent and entered, and where somebody pumps or guesses them. */
export const otpUsage: Dashboard = {
  id: 'vyry-otp-usage',
  title: 'Vyry: OTP usage',
  description: 'How codes are requested, sent and entered, and where somebody pumps or guesses them',
  controls: [
    { field: 'vyry.otp.channel', title: 'Channel' },
    { field: 'vyry.messaging.country', title: 'Country of the number' },
    { field: 'source.ip', title: 'Address' },
    { field: 'service.environment', title: 'Environment' },
  ],
  rows: [
    row(
      6,
      metric(count('Codes requested', requests)),
      metric(count('Codes checked', checks)),
      metric(ratio('Right codes', both(checks, succeeded), checks)),
      metric(ratio('Right codes per code requested', both(checks, succeeded), requests)),
      metric(count('Expired codes', both(checks, 'event.reason: otp-expired'))),
      metric(count('Out of attempts', both(checks, 'event.reason: otp-max-attempts'))),
    ),
    row(
      12,
      linesOverTime('Codes requested over time', [count('Codes')], requests, values('Channel', 'vyry.otp.channel')),
      barsOverTime('Checks by outcome', values('Outcome', 'event.outcome'), checks),
    ),
    row(
      12,
      donut('Why codes were refused', values('Reason', 'event.reason', 15), both(checks, failed)),
      ranking('Requests by send number', [values('Send number', 'vyry.otp.send')], requests),
      ranking(
        'Attempts left at a right code',
        [values('Attempts left', 'vyry.otp.attempts_left')],
        both(checks, succeeded),
      ),
    ),
    row(
      15,
      opening(
        userActivityId,
        table(
          'Codes requested by address',
          [values('Address', 'source.ip', 20)],
          [count('Codes requested'), distinct('Registrations', 'vyry.registration.id')],
          requests,
        ),
      ),
      opening(
        userActivityId,
        table(
          'Wrong codes by registration',
          [values('Registration', 'vyry.registration.id', 20)],
          [count('Wrong codes', failed), count('Right codes', succeeded), distinct('Addresses', 'source.ip')],
          checks,
        ),
      ),
    ),
    row(
      12,
      table('Providers', [values('Provider', 'vyry.messaging.provider')], acceptance, sends),
      table(
        'Providers by country',
        [values('Provider', 'vyry.messaging.provider'), values('Country', 'vyry.messaging.country', 20)],
        acceptance,
        sends,
      ),
    ),
    row(
      12,
      table(
        'Delivery reports by provider and country',
        [values('Provider', 'vyry.messaging.provider'), values('Country', 'vyry.messaging.country', 20)],
        [
          count('Delivered', succeeded),
          count('Not delivered', failed),
          ratio('Delivered, share', both(reports, succeeded), reports),
        ],
        reports,
      ),
      ranking(
        'Why messages were not delivered',
        [values('Reason', 'event.reason'), values('Provider', 'vyry.messaging.provider')],
        both(reports, failed),
      ),
    ),
    row(
      12,
      barsOverTime('Messages by country', values('Country', 'vyry.messaging.country'), sends),
      ranking(
        'Why providers refused',
        [values('Reason', 'event.reason'), values('Provider', 'vyry.messaging.provider')],
        both(sends, failed),
      ),
      table(
        'Pseudonyms with most messages',
        [values('Pseudonym of the recipient', 'user.hash', 20)],
        [count('Messages'), distinct('Registrations', 'vyry.registration.id')],
        sends,
      ),
    ),
  ],
};
