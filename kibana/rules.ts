/**
 * Writes the alerts in Kibana's two formats: rules of the alerting API (`.es-query`), and detection rules of the
 * Security app (threshold). A format leaves out the alerts that it cannot express: a rule of the first cannot count
 * different values, one of the second cannot detect silence or wait for several checks.
 */
import { type Alert, alerts, type Severity, type Technique } from './alerts.ts';
import { parseKql, queryOf } from './kql.ts';
import { dataView } from './saved-object.ts';

/** Body of `POST /api/alerting/rule/{id}`, with its id. */
export interface QueryRule {
  id: string;
  name: string;
  tags: string[];
  rule_type_id: '.es-query';
  consumer: 'stackAlerts';
  schedule: { interval: string };
  enabled: boolean;
  alert_delay?: { active: number };
  params: Record<string, unknown>;
}

const checkInterval = '1m';
/** Largest number of groups that can fire at once; Kibana allows up to 1,000. */
const groupsMax = 100;
const tags = ['vyry'];
const riskScores: Record<Severity, number> = { low: 21, medium: 47, high: 73, critical: 99 };

/** Returns `rules.json`: the rules for the alerting API. */
export function queryRulesFile(): string {
  return `${JSON.stringify(alerts.filter(isQueryRule).map(queryRuleOf), undefined, 2)}\n`;
}

/** Returns `detection-rules.ndjson`: the rules that the Security app imports, one per line. */
export function detectionRulesFile(): string {
  return alerts
    .filter(isDetectionRule)
    .map((alert) => `${JSON.stringify(detectionRuleOf(alert))}\n`)
    .join('');
}

/** Returns whether the alerting API can express an alert. */
function isQueryRule(alert: Alert): boolean {
  return alert.distinct === undefined;
}

/** Returns whether a threshold rule of the Security app can express an alert. */
function isDetectionRule({ threshold, checks = 1 }: Alert): boolean {
  return threshold > 0 && checks === 1;
}

function queryRuleOf(alert: Alert): QueryRule {
  const { id, name, severity, where, by, windowMinutes, threshold, checks = 1 } = alert;
  return {
    id,
    name: `Vyry: ${name}`,
    tags: [...tags, severity],
    rule_type_id: '.es-query',
    consumer: 'stackAlerts',
    schedule: { interval: checkInterval },
    enabled: true,
    ...(checks > 1 && { alert_delay: { active: checks } }),
    params: {
      searchType: 'esQuery',
      index: [dataView.title],
      timeField: dataView.timeField,
      esQuery: JSON.stringify({ query: queryOf(parseKql(where)) }),
      size: threshold === 0 ? 0 : 10,
      timeWindowSize: windowMinutes,
      timeWindowUnit: 'm',
      threshold: [Math.max(threshold, 1)],
      thresholdComparator: threshold === 0 ? '<' : '>=',
      aggType: 'count',
      groupBy: by === undefined ? 'all' : 'top',
      ...(by !== undefined && { termField: by, termSize: groupsMax }),
      // windows overlap on purpose: an event counts as long as it is in the window
      excludeHitsFromPreviousRun: false,
    },
  };
}

function detectionRuleOf(alert: Alert): Record<string, unknown> {
  const { id, name, severity, where, by, windowMinutes, threshold, distinct, technique } = alert;
  return {
    rule_id: id,
    name: `Vyry: ${name}`,
    description: alert.means,
    note: `## What to do first\n\n${alert.doFirst}`,
    type: 'threshold',
    language: 'kuery',
    index: [dataView.title],
    query: where,
    threshold: {
      field: by === undefined ? [] : [by],
      value: threshold,
      ...(distinct && { cardinality: [{ field: distinct.field, value: distinct.threshold }] }),
    },
    severity,
    risk_score: riskScores[severity],
    interval: checkInterval,
    from: `now-${windowMinutes}m`,
    to: 'now',
    // the others run as rules of the alerting API; enabling both would raise each alert twice
    enabled: !isQueryRule(alert),
    tags: [...tags],
    references: [],
    false_positives: [],
    threat: technique === undefined ? [] : [threatOf(technique)],
    author: ['Vyry'],
    license: 'Apache-2.0',
    version: 1,
  };
}

function threatOf({ id, name, parent }: Technique) {
  const base = 'https://attack.mitre.org';
  const reference = `${base}/techniques/${parent.id}/`;
  return {
    framework: 'MITRE ATT&CK',
    tactic: { id: 'TA0006', name: 'Credential Access', reference: `${base}/tactics/TA0006/` },
    technique: [
      { ...parent, reference, subtechnique: [{ id, name, reference: `${reference}${id.split('.')[1] ?? ''}/` }] },
    ],
  };
}
