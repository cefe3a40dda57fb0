/**
 * The index template of audit events (`auth-logs-*`), for Elasticsearch 8.19 and 9.
 *
 * The nine fields of the contract and their ECS equivalents are fields, with the same values. Only field types of the
 * smallest distribution are used, so that tests and production share one template; where ECS has `wildcard`, this template
 * has `keyword`.
 * https://www.elastic.co/docs/reference/ecs
 */

/** Handling of unknown fields. `kept`: stored in the source, not searchable. `refused`: the event is refused. */
export type UnknownFields = 'kept' | 'refused';

const keyword = { type: 'keyword', ignore_above: 512 };
const date = { type: 'date' };
const long = { type: 'long' };
const object = (properties: Record<string, unknown>) => ({ properties });

const properties = {
  '@timestamp': date,
  timestamp: date,
  level: keyword,
  action: keyword,
  userId: keyword,
  ip: { type: 'ip', ignore_malformed: true },
  userAgent: keyword,
  status: keyword,
  message: { type: 'text' },
  metadata: { type: 'flattened', depth_limit: 5, ignore_above: 256 },
  ecs: object({ version: keyword }),
  log: object({ level: keyword }),
  event: object({
    id: keyword,
    kind: keyword,
    category: keyword,
    type: keyword,
    dataset: keyword,
    module: keyword,
    reason: keyword,
    duration: long,
    action: keyword,
    outcome: keyword,
  }),
  user: object({ id: keyword, hash: keyword, target: object({ id: keyword }) }),
  source: object({
    ip: { type: 'ip', ignore_malformed: true },
    geo: object({
      country_iso_code: keyword,
      country_name: keyword,
      city_name: keyword,
      location: { type: 'geo_point', ignore_malformed: true },
    }),
    as: object({ number: long, organization: object({ name: keyword }) }),
  }),
  user_agent: object({
    original: keyword,
    name: keyword,
    version: keyword,
    os: object({ name: keyword, version: keyword }),
    device: object({ name: keyword }),
  }),
  service: object({
    name: keyword,
    version: keyword,
    environment: keyword,
    node: object({ name: keyword, role: keyword }),
  }),
  trace: object({ id: keyword }),
  http: object({
    request: object({ id: keyword, method: keyword }),
    response: object({ status_code: { type: 'short' } }),
  }),
  url: object({ path: keyword }),
  error: object({ code: keyword, type: keyword }),
  rule: object({ name: keyword }),
  related: object({ ip: { type: 'ip', ignore_malformed: true }, user: keyword, hash: keyword }),
  labels: object({ hash_kid: keyword }),
  vyry: object({
    registration: object({ id: keyword, step: keyword, state: keyword }),
    otp: object({ channel: keyword, purpose: keyword, send: { type: 'short' }, attempts_left: { type: 'short' } }),
    messaging: object({ provider: keyword, id: keyword, country: keyword }),
    rate_limit: object({ retry_after_seconds: long }),
    dependency: object({ name: keyword }),
    operator: object({ name: keyword, act: keyword }),
    session: object({ hash: keyword }),
    audit: object({ mac: keyword, sequence: long, chain: keyword, dropped: long, erasure: keyword }),
  }),
};

/**
 * Returns the index template.
 *
 * @param policy name of the lifecycle policy; if undefined the setting is left out, because a server without lifecycle
 *   management refuses a template with it
 */
export function auditTemplate(prefix: string, policy: string | undefined, unknownFields: UnknownFields = 'kept') {
  return {
    index_patterns: [`${prefix}-*`],
    priority: 500,
    template: {
      settings: {
        index: {
          number_of_shards: 1,
          auto_expand_replicas: '0-1',
          refresh_interval: '5s',
          codec: 'best_compression',
          'mapping.total_fields.limit': 300,
          sort: { field: '@timestamp', order: 'desc' },
          ...(policy !== undefined && { lifecycle: { name: policy } }),
        },
      },
      mappings: {
        dynamic: unknownFields === 'kept' ? (false as const) : ('strict' as const),
        date_detection: false,
        properties,
      },
    },
    _meta: { description: 'Audit events of Vyry' },
  };
}

/** Returns the lifecycle policy. Indices are daily, so there is no rollover. */
export function auditPolicy(retentionDays: number) {
  return {
    phases: {
      hot: { actions: { set_priority: { priority: 100 } } },
      ...(retentionDays > 3 && {
        warm: { min_age: '3d', actions: { set_priority: { priority: 50 }, forcemerge: { max_num_segments: 1 } } },
      }),
      delete: { min_age: `${retentionDays}d`, actions: { delete: {} } },
    },
  };
}
