import { z } from 'zod';
import { readWeights } from '../../domain/providers.ts';
import { flag, hasProtocol, optionalSecret, optionalUrl, parsed, text } from './schemas.ts';
import { Secret } from './secret.ts';
import type { Variable } from './variable.ts';

/** Variables of the e-mail providers. */
export const mailVariables = {
  EMAIL_PROVIDERS: {
    about: 'e-mail providers with weights, in failover order; providers that are not configured are skipped',
    roles: ['delivery'],
    schema: parsed((value) => readWeights(value, ['smtp', 'resend', 'sendgrid'])),
    default: 'smtp:100,resend:0,sendgrid:0',
  },
  RESEND_API_KEY: {
    about: 'Resend API key; no e-mail by Resend when empty',
    roles: ['delivery'],
    schema: optionalSecret,
    default: '',
  },
  RESEND_API_BASE_URL: {
    about: 'base URL of the Resend API, if not the default',
    roles: ['delivery'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  SENDGRID_API_KEY: {
    about: 'SendGrid API key; no e-mail by SendGrid when empty',
    roles: ['delivery'],
    schema: optionalSecret,
    default: '',
  },
  SENDGRID_API_BASE_URL: {
    about: 'base URL of the SendGrid API, if not the default',
    roles: ['delivery'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  SMTP_URL: {
    about: 'mail server, smtp:// or smtps:// with credentials; no e-mail by SMTP when empty',
    roles: ['delivery'],
    schema: z
      .string()
      .refine((value) => value === '' || hasProtocol(value, ['smtp:', 'smtps:']), 'must be a URL (smtp:, smtps:)')
      .transform((value) => (value === '' ? undefined : new Secret(value))),
    default: '',
  },
  SMTP_PLAINTEXT: {
    about:
      '`true`: the password of an smtp:// URL is sent to a server without STARTTLS; only where something else protects the network. Not needed on loopback',
    roles: ['delivery'],
    schema: flag,
    default: 'false',
  },
  MAIL_FROM: { about: 'sender of e-mail', roles: ['delivery'], schema: text, default: 'Vyry <no-reply@localhost>' },
} satisfies Record<string, Variable>;
