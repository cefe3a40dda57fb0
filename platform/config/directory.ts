import { z } from 'zod';
import { flag, integer, list, pem, secret, text, url } from './schemas.ts';
import type { Variable } from './variable.ts';

/** Variables of the LDAP directory. */
export const directoryVariables = {
  LDAP_URL: {
    about: 'LDAP servers in the order in which they are tried, separated by commas: ldap:// or ldaps://',
    roles: ['directory'],
    schema: list.pipe(z.array(url('ldap:', 'ldaps:')).min(1)),
    example: 'ldap://127.0.0.1:389',
  },
  LDAP_START_TLS: {
    about: '`true`: upgrade ldap:// connections with StartTLS',
    roles: ['directory'],
    schema: flag,
    default: 'false',
  },
  LDAP_TLS_CA: {
    about: 'CA certificates of the LDAP servers as PEM; those of the system when empty',
    roles: ['directory'],
    schema: pem,
    isRenewed: true,
    default: '',
  },
  LDAP_BIND_DN: {
    about: 'DN of the service account that searches for people',
    roles: ['directory'],
    schema: text,
    example: 'cn=vyry,dc=example,dc=org',
  },
  LDAP_BIND_PASSWORD: {
    about: 'password of the service account',
    roles: ['directory'],
    schema: secret(1),
    example: 'example-only-bind',
  },
  LDAP_BASE_DN: {
    about: 'base DN of searches for people',
    roles: ['directory'],
    schema: text,
    example: 'ou=people,dc=example,dc=org',
  },
  LDAP_USER_FILTER: {
    about: 'search filter for a person; {username} is replaced by the user name, escaped as in RFC 4515',
    roles: ['directory'],
    schema: text.refine((value) => value.includes('{username}'), 'must contain {username}'),
    default: '(uid={username})',
  },
  LDAP_ATTRIBUTE_ID: {
    about: 'attribute with the immutable id of an entry',
    roles: ['directory'],
    schema: text,
    default: 'entryUUID',
  },
  LDAP_ATTRIBUTE_USERNAME: {
    about: 'attribute with the user name',
    roles: ['directory'],
    schema: text,
    default: 'uid',
  },
  LDAP_ATTRIBUTE_NAME: { about: 'attribute with the full name', roles: ['directory'], schema: text, default: 'cn' },
  LDAP_ATTRIBUTE_MAIL: {
    about: 'attribute with the e-mail address for codes; use only one that the directory controls',
    roles: ['directory'],
    schema: text,
    default: 'mail',
  },
  LDAP_ATTRIBUTE_PHONE: {
    about: 'attribute with the phone number for codes',
    roles: ['directory'],
    schema: text,
    default: 'mobile',
  },
  LDAP_ATTRIBUTE_GROUPS: {
    about: 'attribute with the groups of a person',
    roles: ['directory'],
    schema: text,
    default: 'memberOf',
  },
  LDAP_TIMEOUT: {
    about: 'timeout of an LDAP request, in milliseconds',
    roles: ['directory'],
    schema: integer(100, 60_000),
    default: '3000',
  },
  LDAP_POOL_MAX: {
    about: 'most connections to the directory',
    roles: ['directory'],
    schema: integer(1, 200),
    default: '8',
  },
  PHONE_REGION: {
    about: 'country (ISO 3166) of directory numbers without a country code; such numbers are refused when empty',
    roles: ['directory'],
    schema: z.string().regex(/^([A-Z]{2})?$/, 'must be a country such as GB'),
    default: '',
  },
} satisfies Record<string, Variable>;
