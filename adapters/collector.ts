/**
 * Export of spans by OTLP over HTTP with JSON (https://opentelemetry.io/docs/specs/otlp/).
 *
 * Spans are exported in batches, once a second. Timeout: 3 s per batch, including retries. While the collector is
 * unavailable, up to 2,048 spans wait and later ones are dropped. No request waits for the export, and one warning per
 * outage is logged.
 */
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import type { Role } from '../platform/config/roles.ts';
import type { Secret } from '../platform/config/secret.ts';
import { version } from '../platform/config/version.ts';
import { newId } from '../platform/crypto.ts';
import type { Logger } from '../platform/log.ts';
import { now, partsOf, type RecordSpan, type Span } from '../platform/spans.ts';

/** The span exporter of a process. Disposing it sends the waiting spans. */
export interface Collector extends AsyncDisposable {
  record: RecordSpan;
}

/** The configuration variables of the collector. */
export interface CollectorConfig {
  NODE_ENV: string;
  OTEL_EXPORTER_OTLP_ENDPOINT: string | undefined;
  OTEL_EXPORTER_OTLP_HEADERS: Secret | undefined;
}

const sendMs = 3000;
const batchMs = 1000;
const kinds = { internal: 0, server: 1, client: 2 };
const errorStatus = 2;
const sampledFlag = 1;

/** Connects a process to the collector. Without an endpoint, spans are dropped and no package is loaded. */
export async function connectCollector(role: Role, config: CollectorConfig, log: Logger): Promise<Collector> {
  const { NODE_ENV: environment, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers } = config;
  if (endpoint === undefined) return { record: () => undefined, async [Symbol.asyncDispose]() {} };
  const [{ BatchSpanProcessor }, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const resource = resourceFromAttributes({
    'service.namespace': 'vyry',
    'service.name': `vyry-${role}`,
    'service.version': version,
    'service.instance.id': newId(),
    'deployment.environment.name': environment,
  });
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/$/, '')}/v1/traces`,
    headers: headersOf(headers),
    timeoutMillis: sendMs,
  });
  const batches = new BatchSpanProcessor({
    exporter: warning(exporter, log),
    scheduledDelayMillis: batchMs,
    exportTimeoutMillis: sendMs,
  });
  return {
    record: (span) => batches.onEnd(readable(span, resource)),
    [Symbol.asyncDispose]: () => batches.shutdown().catch(() => undefined),
  };
}

/** Logs one warning per outage of the collector. */
function warning(exporter: SpanExporter, log: Logger): SpanExporter {
  let isAway = false;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const hasFailed = result.error !== undefined;
        if (hasFailed && !isAway) log.warn({ event: 'collector.away', reason: reasonOf(result.error) });
        isAway = hasFailed;
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
  };
}

function reasonOf(err: (Error & { code?: unknown }) | undefined): string {
  return `${err?.name}: ${err?.code ?? err?.message}`;
}

function headersOf(headers: Secret | undefined): Record<string, string> {
  const pairs = headers?.reveal().split(',') ?? [];
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name = '', ...value] = pair.split('=');
      return [name.trim(), decodeURIComponent(value.join('=').trim())];
    }),
  );
}

function readable({ failure, ...span }: Span, resource: ReadableSpan['resource']): ReadableSpan {
  const { traceId, spanId, flags } = partsOf(span.traceparent);
  const traceFlags = Number.parseInt(flags, 16) & sampledFlag;
  const endedAt = Math.max(now(), span.beganAt);
  return {
    name: span.name,
    kind: kinds[span.kind],
    spanContext: () => ({ traceId, spanId, traceFlags }),
    ...(span.parentId !== undefined && { parentSpanContext: { traceId, spanId: span.parentId, traceFlags } }),
    startTime: timeOf(span.beganAt),
    endTime: timeOf(endedAt),
    duration: timeOf(endedAt - span.beganAt),
    ended: true,
    status: { code: failure === undefined ? 0 : errorStatus },
    attributes: { ...span.attributes, ...(failure !== undefined && { 'error.type': failure }) },
    links: [],
    events: [],
    resource,
    instrumentationScope: { name: 'vyry', version },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** Converts milliseconds to seconds and nanoseconds. */
function timeOf(ms: number): [number, number] {
  return [Math.floor(ms / 1000), Math.floor((ms % 1000) * 1e6)];
}
