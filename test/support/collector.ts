/** A fake trace collector that stores what it receives: OTLP over HTTP with JSON. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A received span, flattened. */
export interface ReceivedSpan {
  service: string;
  name: string;
  /** Span kind as numbered by OTLP: 1 internal, 2 server, 3 client. */
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  /** Milliseconds since the Unix epoch. */
  beganAt: number;
  endedAt: number;
  isError: boolean;
  attributes: Record<string, unknown>;
}

/** A running collector. */
export interface FakeCollector extends AsyncDisposable {
  url: string;
  spans: ReceivedSpan[];
  /** Every request with its headers and raw body. */
  requests: { path: string; headers: IncomingHttpHeaders; body: string }[];
}

interface Attribute {
  key: string;
  value: { stringValue?: string; intValue?: string | number };
}

interface OtlpSpan {
  name: string;
  kind: number;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  status: { code?: number };
  attributes: Attribute[];
}

interface OtlpRequest {
  resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: OtlpSpan[] }[] }[];
}

/** Starts a collector on loopback. */
export async function startCollector(): Promise<FakeCollector> {
  const spans: ReceivedSpan[] = [];
  const requests: FakeCollector['requests'] = [];
  const server = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req.setEncoding('utf8')) body += chunk;
    requests.push({ path: req.url ?? '', headers: req.headers, body });
    spans.push(...received(JSON.parse(body) as OtlpRequest));
    res.setHeader('Content-Type', 'application/json').end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function received({ resourceSpans }: OtlpRequest): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans
      .flatMap(({ spans }) => spans)
      .map((span) => ({
        service: String(valuesOf(resource.attributes)['service.name']),
        name: span.name,
        kind: span.kind,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId,
        beganAt: Number(span.startTimeUnixNano) / 1e6,
        endedAt: Number(span.endTimeUnixNano) / 1e6,
        isError: span.status.code === 2,
        attributes: valuesOf(span.attributes),
      })),
  );
}

function valuesOf(attributes: Attribute[]): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? (value.intValue && Number(value.intValue))]),
  );
}
