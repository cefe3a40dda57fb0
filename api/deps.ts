/** The dependencies of operations, created once in main.ts. */
import type { Client } from '@temporalio/client';
import type { BreachedPasswords } from '../adapters/breached-passwords.ts';
import type { Captcha } from '../adapters/captcha.ts';
import type { Places } from '../adapters/geoip.ts';
import type { PublicEndpoints } from '../adapters/http/public-endpoint.ts';
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Archive } from '../adapters/mongo/archive.ts';
import type { Conversations } from '../adapters/mongo/conversations.ts';
import type { Deletions } from '../adapters/mongo/deletions.ts';
import type { Devices } from '../adapters/mongo/devices.ts';
import type { PreKeys } from '../adapters/mongo/prekeys.ts';
import type { Passwords } from '../adapters/passwords.ts';
import type { AccountFacts } from '../adapters/redis/account-facts.ts';
import type { UsedCaptchas } from '../adapters/redis/captchas.ts';
import type { ChangeListener } from '../adapters/redis/changes.ts';
import type { Codes } from '../adapters/redis/codes.ts';
import type { ConversationCache } from '../adapters/redis/conversations.ts';
import type { DeliveryReports } from '../adapters/redis/delivery-reports.ts';
import type { DeviceActivity } from '../adapters/redis/device-activity.ts';
import type { Idempotency } from '../adapters/redis/idempotency.ts';
import type { Inboxes } from '../adapters/redis/inboxes.ts';
import type { Links } from '../adapters/redis/links.ts';
import type { LogIns } from '../adapters/redis/logins.ts';
import type { OneTimeSecrets } from '../adapters/redis/one-time-secrets.ts';
import type { RateLimitLeases } from '../adapters/redis/rate-limit-leases.ts';
import type { LimitsState, RateLimits } from '../adapters/redis/rate-limits.ts';
import type { Recoveries } from '../adapters/redis/recoveries.ts';
import type { RegistrationWarnings } from '../adapters/redis/registration-warnings.ts';
import type { RegistrationStarts, Registrations } from '../adapters/redis/registrations.ts';
import type { AuthSessions } from '../adapters/redis/sessions.ts';
import type { SignalSteps } from '../adapters/redis/signal-steps.ts';
import type { SmsBudget } from '../adapters/redis/sms-budget.ts';
import type { VerificationSessions } from '../adapters/redis/verification-sessions.ts';
import type { WakeUps } from '../adapters/redis/wake-ups.ts';
import type { AuditEvent } from '../domain/audit.ts';
import type { RegistrationRules, StepName } from '../domain/registration.ts';
import type { AuthSessionLife } from '../domain/session.ts';
import type { VerificationSessionRules } from '../domain/verification.ts';
import type { Announcements } from '../platform/announcements.ts';
import type { Config } from '../platform/config/config.ts';
import type { Cipher } from '../platform/crypto.ts';
import type { Events } from '../platform/events/events.ts';
import type { DependencyHealth } from '../platform/lifecycle.ts';
import type { RecordSpan } from '../platform/spans.ts';
import type { Estimator } from './estimator.ts';
import type { KeptFacts } from './person-facts.ts';
import type { UpdateQueue } from './registrations/update-queue.ts';
import type { Node } from './sockets/node.ts';
import type { Tokens } from './tokens.ts';

/** The dependencies of every operation. A function declares the ones that it uses: `Pick<ApiDeps, …>`. */
export interface ApiDeps {
  config: Config<'api'>;
  policy: readonly StepName[];
  rules: RegistrationRules;
  temporal: Client;
  /** Rejects when Temporal does not answer. */
  reachTemporal: () => Promise<void>;
  /** Updates of registrations pass through it. */
  updateQueue: UpdateQueue;
  registrations: Registrations;
  registrationStarts: RegistrationStarts;
  signalSteps: SignalSteps;
  /** Waits for changes of registrations and links. */
  listener: ChangeListener;
  links: Links;
  /** Names the places of addresses. */
  places: Places;
  codes: Codes;
  verificationSessions: VerificationSessions;
  /** The limits of verification sessions. */
  sessionRules: VerificationSessionRules;
  /** Secrets for the role `registration`. */
  oneTimeSecrets: OneTimeSecrets;
  /** Secrets for the role `directory`. */
  directorySecrets: OneTimeSecrets;
  recoveries: Recoveries;
  registrationWarnings: RegistrationWarnings;
  captcha: Captcha;
  estimator: Estimator;
  /** Undefined if the check is not configured. */
  breachedPasswords: BreachedPasswords | undefined;
  usedCaptchas: UsedCaptchas;
  idempotency: Idempotency;
  rateLimits: RateLimits;
  /** The attempts of `requests-per-address`. */
  requestLeases: RateLimitLeases;
  smsBudget: SmsBudget;
  sessions: AuthSessions;
  sessionLife: AuthSessionLife;
  /** Encrypts the successors of refresh tokens. */
  refreshCipher: Pick<Cipher, 'encryptText' | 'decryptText'>;
  logins: LogIns;
  /** Encrypts the change that a code confirms. */
  changeCipher: Pick<Cipher, 'encryptText' | 'decryptText'>;
  accounts: Pick<
    Accounts,
    | 'read'
    | 'findBy'
    | 'findProvable'
    | 'readSecrets'
    | 'directoryIdOf'
    | 'findByDirectoryId'
    | 'learnDirectoryEntry'
    | 'hasDirectoryEntry'
    | 'setProfile'
    | 'replaceHash'
    | 'raiseEpoch'
  >;
  /** What is kept of accounts for sessions. */
  accountFacts: AccountFacts<KeptFacts>;
  devices: Devices;
  deviceActivity: DeviceActivity;
  preKeys: PreKeys;
  inboxes: Inboxes;
  /** Messages that have waited for a long time. */
  archive: Archive;
  /** This process, where devices are connected to it. */
  node: Node;
  conversations: Conversations;
  conversationCache: ConversationCache;
  /** Tells connected devices what has changed. */
  announcements: Announcements;
  wakeUps: WakeUps;
  /** Encrypts push registrations. */
  pushCipher: Pick<Cipher, 'encryptText' | 'decryptText'>;
  /** Checks the endpoints of WebPush registrations. */
  pushEndpoints: Pick<PublicEndpoints, 'problemOf'>;
  deletions: Pick<Deletions, 'read'>;
  /** The token of the receipt of a deletion, always the same for one deletion. */
  /** The token of a deletion, by each key; that of the current one first. */
  deletionTokens: (deletionId: string) => readonly string[];
  /** Reads the events of a user from the audit log; undefined if the audit log is not connected. */
  readPersonEvents: ((userId: string, identities: string[], size: number) => Promise<AuditEvent[]>) | undefined;
  passwords: Passwords;
  tokens: Tokens;
  events: Events;
  recordSpan: RecordSpan;
  /** Decrypts the speech of a call. */
  voiceCipher: Pick<Cipher, 'decryptText'>;
  reports: Pick<DeliveryReports, 'note'>;
  /** Decrypts the message that a delivery report is about. */
  reportCipher: Pick<Cipher, 'decryptText'>;
  /** The key of the hashes of idempotency keys, bodies and limited names. */
  hashKey: Buffer;
  /** The keyed hash of limit keys; the directory role uses the same one. */
  limitHash: (kind: string, text: string) => string;
  /** Returns the health of every dependency. */
  checkDependencies: () => Promise<DependencyHealth[]>;
  /** Returns the metrics in the Prometheus text format. */
  metrics: () => Promise<{ contentType: string; text: string }>;
}

/** Returns whether an address, with its number of hops, is a proxy whose `X-Forwarded-For` is trusted. */
export type TrustProxy = (address: string, hops: number) => boolean;

/** The caller of a request: its source and client. */
export interface Caller {
  address: string;
  /** The origin that the request was sent to, if the transport has one. */
  origin?: string;
  userAgent: string;
  acceptLanguage?: string;
  idempotencyKey?: string;
  /** Reports the state of a limit to the caller. */
  noteLimit?: (state: LimitsState) => void;
}
