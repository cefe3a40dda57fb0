/** Verification sessions and refusals as messages for a Signal-Server, by one table. */
import type { Refusal, RefusalReason, VerificationSession } from '../verifications/sessions.ts';

/** `RegistrationSessionMetadata`; 64-bit numbers are strings. */
export interface Metadata {
  sessionId: Buffer;
  verified: boolean;
  e164: string;
  mayRequestSms: boolean;
  nextSmsSeconds: number;
  mayRequestVoiceCall: boolean;
  nextVoiceCallSeconds: number;
  mayCheckCode: boolean;
  nextCodeCheckSeconds: number;
  expirationSeconds: number;
}

/** The error of a response; `errorType` is a number of the enum of its RPC. */
export interface RpcError {
  errorType: number;
  mayRetry: boolean;
  retryAfterSeconds: number;
}

/** The RPCs of the contract. */
export const rpcs = ['CreateSession', 'GetSessionMetadata', 'SendVerificationCode', 'CheckVerificationCode'] as const;
/** An RPC of the contract. */
export type Rpc = (typeof rpcs)[number];

interface Row {
  /** The numbers in the enums of the RPCs. An RPC without a number never has this refusal. */
  errorTypes: Partial<Record<Rpc, number>>;
  /** The HTTP status that a Signal-Server returns for it, used by metrics and the audit log. */
  status: number;
}

const rateLimited = { CreateSession: 1, SendVerificationCode: 3, CheckVerificationCode: 2 };
const limitRow: Row = { errorTypes: rateLimited, status: 429 };

const rows: Record<RefusalReason, Row> = {
  'number-not-valid': { errorTypes: { CreateSession: 2 }, status: 400 },
  limited: limitRow,
  'too-early': limitRow,
  'under-way': limitRow,
  exhausted: limitRow,
  'slow-down': limitRow,
  'not-found': {
    errorTypes: { GetSessionMetadata: 1, SendVerificationCode: 4, CheckVerificationCode: 3 },
    status: 404,
  },
  'already-verified': { errorTypes: { SendVerificationCode: 5 }, status: 409 },
  unreachable: { errorTypes: { SendVerificationCode: 6 }, status: 418 },
  rejected: { errorTypes: { SendVerificationCode: 1 }, status: 440 },
  fraud: { errorTypes: { SendVerificationCode: 7 }, status: 440 },
  'no-sender': { errorTypes: { SendVerificationCode: 8 }, status: 440 },
  'no-code-sent': { errorTypes: { CheckVerificationCode: 1 }, status: 409 },
  'code-expired': { errorTypes: { CheckVerificationCode: 4 }, status: 409 },
};

/** Returns a refusal as the error of a response whose status is OK. Seconds are truncated, as upstream does. */
export function errorOf(rpc: Rpc, { reason, waitMs }: Refusal): RpcError {
  return {
    errorType: rows[reason].errorTypes[rpc] ?? 0,
    mayRetry: waitMs !== undefined,
    retryAfterSeconds: waitMs === undefined ? 0 : Math.floor(waitMs / 1000),
  };
}

/** Returns the HTTP status of a refusal for metrics and the audit log. */
export function statusOf({ reason }: Refusal): number {
  return rows[reason].status;
}

/** Returns a session as metadata when it was read: `may…` with 0 seconds means now; without `may…` the seconds are 0. */
export function metadataOf(session: VerificationSession): Metadata {
  const { sessionId, number, isVerified, nextSmsAt, nextVoiceAt, nextCheckAt, expiresAt, readAt } = session;
  const secondsTo = (at: number | null) => (at === null ? 0 : Math.max(0, Math.floor((at - readAt) / 1000)));
  return {
    sessionId: Buffer.from(sessionId, 'hex'),
    verified: isVerified,
    e164: number.slice(1),
    mayRequestSms: nextSmsAt !== null,
    nextSmsSeconds: secondsTo(nextSmsAt),
    mayRequestVoiceCall: nextVoiceAt !== null,
    nextVoiceCallSeconds: secondsTo(nextVoiceAt),
    mayCheckCode: nextCheckAt !== null,
    nextCodeCheckSeconds: secondsTo(nextCheckAt),
    expirationSeconds: secondsTo(expiresAt),
  };
}
