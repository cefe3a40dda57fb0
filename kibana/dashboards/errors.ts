import { action, answered, clientErrors, failed, serverErrors } from '../fields.ts';
import {
  barsOverTime,
  cases,
  count,
  type Dashboard,
  donut,
  linesOverTime,
  listing,
  metric,
  percentile,
  ranking,
  ratio,
  row,
  table,
  values,
} from '../panels.ts';
import { brokenRequests } from '../searches.ts';

const errorsOnly = 'http.response.status_code >= 400';

/** Refusals, failures, latency and outages. */
export const errors: Dashboard = {
  id: 'vyry-errors',
  title: 'Vyry: errors and latency',
  description: 'Refusals, failures, latency and outages. Successful reads leave no event.',
  controls: [
    { field: 'url.path', title: 'Route' },
    { field: 'http.response.status_code', title: 'Status' },
    { field: 'error.code', title: 'Failure' },
    { field: 'service.environment', title: 'Environment' },
  ],
  rows: [
    row(
      6,
      metric(count('Answers', answered)),
      metric(count('Refused (4xx)', clientErrors)),
      metric(count('Failed (5xx)', serverErrors)),
      metric(ratio('Share of 5xx', serverErrors, answered)),
      metric(percentile('95 % of answers within', 'event.duration', 95), answered),
      metric(count('Outages', action('dependency-away'))),
    ),
    row(
      12,
      linesOverTime(
        'Errors over time',
        [count('Answers')],
        answered,
        cases('Kind', { 'refused (4xx)': clientErrors, 'failed (5xx)': serverErrors }),
      ),
      linesOverTime(
        'Latency',
        [
          percentile('50 %', 'event.duration', 50),
          percentile('95 %', 'event.duration', 95),
          percentile('99 %', 'event.duration', 99),
        ],
        answered,
      ),
    ),
    row(
      15,
      table(
        'Routes',
        [values('Route', 'url.path', 20), values('Method', 'http.request.method', 5)],
        [
          count('Errors', errorsOnly),
          count('5xx', serverErrors),
          count('Answers'),
          ratio('Share of errors', errorsOnly, ''),
          percentile('95 % within', 'event.duration', 95),
        ],
        answered,
      ),
      table(
        'Failures by code',
        [values('Failure', 'error.code', 20), values('Status', 'http.response.status_code', 3)],
        [count('Answers')],
        errorsOnly,
      ),
    ),
    row(
      12,
      donut('Statuses', values('Status', 'http.response.status_code', 15), errorsOnly),
      barsOverTime('Limits reached', values('Limit', 'rule.name'), action('rate-limited')),
      ranking('Routes with 5xx', [values('Route', 'url.path'), values('Failure', 'error.code')], serverErrors),
    ),
    row(
      12,
      barsOverTime('Unavailable dependencies', values('Dependency', 'vyry.dependency.name'), action('dependency-away')),
      ranking(
        'Failures by process',
        [values('Role', 'service.node.role'), values('Action', 'event.action')],
        `${failed} and log.level: (warn or error)`,
      ),
    ),
    row(15, listing(brokenRequests)),
  ],
};
