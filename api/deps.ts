/** What operations work with; put together once, in main.ts. */
import type { Client } from '@temporalio/client';
import type { BreachedPasswords } from '../adapters/breached-passwords.ts';
import type { Captcha } from '../adapters/captcha.ts';
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Deletions } from '../adapters/mongo/deletions.ts';
import type { Passwords } from '../adapters/passwords.ts';
import type { UsedCaptchas } from '../adapters/redis/captchas.ts';
import type { Codes } from '../adapters/redis/codes.ts';
import type { Idempotency } from '../adapters/redis/idempotency.ts';
import type { LogIns } from '../adapters/redis/logins.ts';
import type { LimitsState, RateLimits } from '../adapters/redis/rate-limits.ts';
import type { Receipts } from '../adapters/redis/receipts.ts';
import type { Recoveries } from '../adapters/redis/recoveries.ts';
import type { RegistrationWarnings } from '../adapters/redis/registration-warnings.ts';
import type { RegistrationListener, RegistrationStarts, Registrations } from '../adapters/redis/registrations.ts';
import type { Seals } from '../adapters/redis/seals.ts';
import type { Sessions } from '../adapters/redis/sessions.ts';
import type { SharedTries } from '../adapters/redis/shared-tries.ts';
import type { Spending } from '../adapters/redis/spending.ts';
import type { VerificationSessions } from '../adapters/redis/verification-sessions.ts';
import type { SessionLife } from '../domain/account.ts';
import type { AuditEvent } from '../domain/audit.ts';
import type { RegistrationRules, StepName } from '../domain/registration.ts';
import type { SessionRules } from '../domain/verification.ts';
import type { Config } from '../platform/config.ts';
import type { Box } from '../platform/crypto.ts';
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
  seals: Seals;
  recoveries: Recoveries;
  registrationWarnings: RegistrationWarnings;
  captcha: Captcha;
  /** Undefined where none are asked about. */
  breachedPasswords: BreachedPasswords | undefined;
  usedCaptchas: UsedCaptchas;
  idempotency: Idempotency;
  rateLimits: RateLimits;
  /** The tries of `requests-per-address`. */
  requestTries: SharedTries;
  spending: Spending;
  sessions: Sessions;
  sessionLife: SessionLife;
  /** Seals the successors of refresh tokens. */
  refreshBox: Pick<Box, 'sealText' | 'openText'>;
  logins: LogIns;
  /** Seals what a code that is on its way shall bring about. */
  changeBox: Pick<Box, 'sealText' | 'openText'>;
  accounts: Pick<
    Accounts,
    'read' | 'findBy' | 'findProvable' | 'readProvable' | 'readSecrets' | 'isLinkedTo' | 'isLinked' | 'setProfile'
  >;
  deletions: Pick<Deletions, 'read'>;
  /** The token of the receipt of a deletion: the same whenever it is asked for. */
  deletionToken: (deletionId: string) => string;
  /** Events of a person in the audit trail; undefined where it is not reached. */
  readPersonEvents: ((userId: string, identities: string[], size: number) => Promise<AuditEvent[]>) | undefined;
  passwords: Passwords;
  tokens: Tokens;
  events: Events;
  recordSpan: RecordSpan;
  /** Opens what a call shall say. */
  speechBox: Pick<Box, 'openText'>;
  receipts: Pick<Receipts, 'note'>;
  /** Opens what a receipt is about. */
  receiptBox: Pick<Box, 'openText'>;
  /** Keys the hashes of idempotency keys, bodies and limited names. */
  hashKey: Buffer;
  /** Keyed, for what limits count under; the directory role has the same. */
  limitHash: (kind: string, text: string) => string;
  /** Every dependency and whether it is there. */
  examine: () => Promise<DependencyHealth[]>;
  /** Prometheus text. */
  metrics: () => Promise<{ contentType: string; text: string }>;
}

/** Tells whether an address, so many hops away, is a proxy whose word on the next one is believed. */
export type TrustProxy = (address: string, hop: number) => boolean;

/** Who asks: where from, with what. */
export interface Caller {
  address: string;
  userAgent: string;
  acceptLanguage?: string;
  idempotencyKey?: string;
  /** Hears where the caller stands with a limit. */
  noteLimit?: (state: LimitsState) => void;
}
