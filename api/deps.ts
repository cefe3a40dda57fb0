/** What operations work with; put together once, in main.ts. */
import type { Client } from '@temporalio/client';
import type { BreachedPasswords } from '../adapters/breached-passwords.ts';
import type { Captcha } from '../adapters/captcha.ts';
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Deletions } from '../adapters/mongo/deletions.ts';
import type { Passwords } from '../adapters/passwords.ts';
import type { UsedCaptchas } from '../adapters/redis/captchas.ts';
import type { Codes } from '../adapters/redis/codes.ts';
import type { DeliveryReports } from '../adapters/redis/delivery-reports.ts';
import type { Idempotency } from '../adapters/redis/idempotency.ts';
import type { LogIns } from '../adapters/redis/logins.ts';
import type { OneTimeSecrets } from '../adapters/redis/one-time-secrets.ts';
import type { RateLimitLeases } from '../adapters/redis/rate-limit-leases.ts';
import type { LimitsState, RateLimits } from '../adapters/redis/rate-limits.ts';
import type { Recoveries } from '../adapters/redis/recoveries.ts';
import type { RegistrationWarnings } from '../adapters/redis/registration-warnings.ts';
import type { RegistrationListener, RegistrationStarts, Registrations } from '../adapters/redis/registrations.ts';
import type { Sessions } from '../adapters/redis/sessions.ts';
import type { SmsBudget } from '../adapters/redis/sms-budget.ts';
import type { VerificationSessions } from '../adapters/redis/verification-sessions.ts';
import type { SessionLife } from '../domain/account.ts';
import type { AuditEvent } from '../domain/audit.ts';
import type { RegistrationRules, StepName } from '../domain/registration.ts';
import type { SessionRules } from '../domain/verification.ts';
import type { Config } from '../platform/config.ts';
import type { Cipher } from '../platform/crypto.ts';
import type { Events } from '../platform/events.ts';
import type { DependencyHealth } from '../platform/lifecycle.ts';
import type { RecordSpan } from '../platform/spans.ts';
import type { Tokens } from './tokens.ts';

export interface ApiDeps {
  config: Config<'api'>;
  policy: readonly StepName[];
  rules: RegistrationRules;
  temporal: Client;
  /** Rejects when Temporal does not answer. */
  reachTemporal: () => Promise<void>;
  registrations: Registrations;
  registrationStarts: RegistrationStarts;
  listener: RegistrationListener;
  codes: Codes;
  verificationSessions: VerificationSessions;
  /** The bounds of verification sessions. */
  sessionRules: SessionRules;
  oneTimeSecrets: OneTimeSecrets;
  recoveries: Recoveries;
  registrationWarnings: RegistrationWarnings;
  captcha: Captcha;
  /** Undefined where none are asked about. */
  breachedPasswords: BreachedPasswords | undefined;
  usedCaptchas: UsedCaptchas;
  idempotency: Idempotency;
  rateLimits: RateLimits;
  /** The tries of `requests-per-address`. */
  requestLeases: RateLimitLeases;
  smsBudget: SmsBudget;
  sessions: Sessions;
  sessionLife: SessionLife;
  /** Seals the successors of refresh tokens. */
  refreshCipher: Pick<Cipher, 'encryptText' | 'decryptText'>;
  logins: LogIns;
  /** Seals what a code that is on its way shall bring about. */
  changeCipher: Pick<Cipher, 'encryptText' | 'decryptText'>;
  accounts: Pick<
    Accounts,
    'read' | 'findBy' | 'findProvable' | 'readProvable' | 'readSecrets' | 'isLinkedTo' | 'isLinked' | 'setProfile'
  >;
  deletions: Pick<Deletions, 'read'>;
  /** The token of the delivery report of a deletion: the same whenever it is asked for. */
  deletionToken: (deletionId: string) => string;
  /** Events of a person in the audit log; undefined where it is not reached. */
  readPersonEvents: ((userId: string, identities: string[], size: number) => Promise<AuditEvent[]>) | undefined;
  passwords: Passwords;
  tokens: Tokens;
  events: Events;
  recordSpan: RecordSpan;
  /** Opens what a call shall say. */
  voiceCipher: Pick<Cipher, 'decryptText'>;
  reports: Pick<DeliveryReports, 'note'>;
  /** Opens what a delivery report is about. */
  reportCipher: Pick<Cipher, 'decryptText'>;
  /** Keys the hashes of idempotency keys, bodies and limited names. */
  hashKey: Buffer;
  /** Keyed, for what limits count under; the directory role has the same. */
  limitHash: (kind: string, text: string) => string;
  /** Every dependency and whether it is there. */
  checkDependencies: () => Promise<DependencyHealth[]>;
  /** Prometheus text. */
  metrics: () => Promise<{ contentType: string; text: string }>;
}

/** Tells whether an address, so many hops away, is a proxy whose word on the next one is believed. */
export type TrustProxy = (address: string, attempt: number) => boolean;

/** Who asks: where from, with what. */
export interface Caller {
  address: string;
  userAgent: string;
  acceptLanguage?: string;
  idempotencyKey?: string;
  /** Hears where the caller stands with a limit. */
  noteLimit?: (state: LimitsState) => void;
}
