import { z } from 'zod';
import { roles } from './roles.ts';
import { apiKey, integer, key, list, optionalKey, optionalUrl, pem, url } from './schemas.ts';
import type { Variable } from './variable.ts';

/** Variables of the audit log and of Elasticsearch, which stores it. */
export const auditVariables = {
  ELASTICSEARCH_URL: {
    about: 'Elasticsearch 8.19 or later, where audit events are stored',
    roles: ['audit'],
    schema: url('http:', 'https:'),
    example: 'http://127.0.0.1:9200',
  },
  ELASTICSEARCH_API_KEY: {
    about:
      'Elasticsearch API key in its encoded form; needs monitor, manage_index_templates, manage_ilm, and create_doc and delete_index on AUDIT_INDEX-*',
    roles: ['audit'],
    schema: apiKey,
    isRenewed: true,
    default: '',
  },
  PRIVACY_ELASTICSEARCH_URL: {
    about:
      'Elasticsearch with the audit log, for data exports (api) and for erasure (registration); both leave the audit log out when empty',
    roles: ['api', 'registration'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  PRIVACY_ELASTICSEARCH_API_KEY: {
    about:
      'API key for PRIVACY_ELASTICSEARCH_URL in its encoded form; on AUDIT_INDEX-* it needs read (api), or read, write and maintenance (registration)',
    roles: ['api', 'registration'],
    schema: apiKey,
    isRenewed: true,
    default: '',
  },
  ELASTICSEARCH_CA: {
    about: 'CA certificates of Elasticsearch as PEM; those of the system when empty',
    roles: ['api', 'registration', 'audit'],
    schema: pem,
    isRenewed: true,
    default: '',
  },
  AUDIT_INDEX: {
    about: 'prefix of the names of the audit indices, which end in -YYYY.MM.DD',
    roles: ['api', 'registration', 'audit'],
    schema: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,100}$/, 'must be lower-case letters, digits, - and _'),
    default: 'auth-logs',
  },
  AUDIT_RETENTION_DAYS: {
    about: 'days after which audit indices are deleted',
    roles: ['audit'],
    schema: integer(1, 3650),
    default: '90',
  },
  AUDIT_STREAM_MAX: {
    about:
      'most audit events that Redis holds while Elasticsearch is unavailable, about 1 kB each; further events are dropped and counted',
    roles,
    schema: integer(100, 100_000_000),
    default: '500000',
  },
  AUDIT_KEY: {
    about:
      'root of the keys of the HMACs and pseudonyms of audit events: 32 bytes in base64; a new key changes all pseudonyms',
    roles: [],
    schema: key,
    example: 'ZXhhbXBsZS1vbmx5LWF1ZGl0LWtleS0zMi1ieXRlcyE=',
  },
  AUDIT_KEYS_OLD: {
    about:
      'earlier audit keys that still verify, and find the pseudonyms of a person, separated by commas (docs/operate.md, Rotation of keys)',
    roles: [],
    schema: list.pipe(z.array(key)),
    default: '',
  },
  AUDIT_KEY_NEXT: {
    about: 'the next audit key, which already verifies',
    roles: [],
    schema: optionalKey,
    default: '',
  },
} satisfies Record<string, Variable>;
