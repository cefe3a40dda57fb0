import { integer, links, list, optional, optionalUrl, text } from './schemas.ts';
import type { Variable } from './variable.ts';

/** Variables of the HTTP server of the API. */
export const serverVariables = {
  SERVER_HOST: { about: 'address the API listens on', roles: ['api', 'gateway'], schema: text, default: '0.0.0.0' },
  SERVER_PORT: {
    about: 'port the API listens on',
    roles: ['api', 'gateway'],
    schema: integer(0, 65_535),
    default: '8000',
  },
  PUBLIC_URL: {
    about:
      'public URL of the API for providers, for the links of new devices and for those of messages, without a trailing slash; no voice calls and no delivery reports when empty',
    roles: ['api', 'gateway', 'delivery'],
    schema: optionalUrl('http:', 'https:').transform((value) => value?.replace(/\/$/, '')),
    default: '',
  },
  WEB_FOLDER: {
    about: 'folder of the page at /app that `npm run web:build` writes; not served when it has no page',
    roles: ['api'],
    schema: text,
    default: 'dist/web',
  },
  REQUEST_BUDGET_MS: {
    about:
      'longest time of a request in milliseconds, over all calls to engines; also of a command of the CLI that changes something. Long polls and waits for workflows have their own times',
    roles: ['api', 'gateway'],
    schema: integer(100, 600_000),
    default: '10000',
  },
  CLI_READ_BUDGET_MS: {
    about: 'longest time of a command of the CLI that only reads, in milliseconds',
    roles: [],
    schema: integer(100, 600_000),
    default: '5000',
  },
  TRUST_PROXY: {
    about:
      'proxies whose X-Forwarded-For is trusted: addresses and subnets, also before the codec endpoint, or a number of hops before the API and gRPC',
    roles: ['api', 'gateway'],
    schema: list,
    default: '',
  },
  GEOIP_DATABASE: {
    about:
      'file of a local database of places in the format of MaxMind (.mmdb), such as GeoLite2 City, read at the start; when empty, requests of new devices show their network only, and audit events have no place',
    roles: ['api', 'audit'],
    schema: optional,
    default: '',
  },
  GEOIP_ASN_DATABASE: {
    about:
      'file of a local database of networks in the format of MaxMind (.mmdb), such as GeoLite2 ASN, read at the start; when empty, audit events do not name the network of an address',
    roles: ['audit'],
    schema: optional,
    default: '',
  },
  START_PAGE_LINKS: {
    about:
      'further links of the page at / for developers, as Outbox=http://…,Temporal_UI=http://…; when empty, / leads straight to the web app',
    roles: ['api'],
    schema: links,
    default: '',
  },
  CORS_ORIGINS: {
    about: 'browser origins that may call the API (CORS), separated by commas; none when empty',
    roles: ['api', 'gateway'],
    schema: list,
    default: '',
  },
} satisfies Record<string, Variable>;
