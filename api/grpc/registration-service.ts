/**
 * `org.signal.registration.rpc.RegistrationService`: a drop-in behind a Signal-Server. Handlers read the request, call the
 * operation that every door calls and write the answer; what is refused is told inside a response whose status is OK.
 */
import { status } from '@grpc/grpc-js';
import type { Failure } from '../../domain/failures.ts';
import { languageFor } from '../../domain/templates/languages.ts';
import type { Channel } from '../../domain/verification.ts';
import type { SendOrder } from '../../workflows/verification.ts';
import {
  checkSessionCode,
  createSession,
  readSession,
  type SessionAnswer,
  type SessionDeps,
  sendSessionCode,
} from '../verifications/sessions.ts';
import { errorOf, metadataOf, type Rpc } from './answers.ts';

/** A request that cannot be answered: told by the status of the call. */
export class BadCall extends Error {
  readonly code = status.INVALID_ARGUMENT;
}

interface Requests {
  CreateSession: { e164: string };
  GetSessionMetadata: { sessionId: Buffer };
  SendVerificationCode: { sessionId: Buffer; transport: number; acceptLanguage: string; clientType: number };
  CheckVerificationCode: { sessionId: Buffer; verificationCode: string };
}

/** What a rpc does with a message that could be read. */
export type Operations = { [R in Rpc]: (deps: SessionDeps, request: Requests[R]) => Promise<SessionAnswer> };

const transports: Record<number, Channel | undefined> = { 1: 'sms', 2: 'voice' };
const clients: Record<number, SendOrder['client']> = { 1: 'ios', 2: 'android', 3: 'android' };

/** The four rpcs. @throws {BadCall} an argument is not one; @throws {Failure} unavailable */
export const operations: Operations = {
  CreateSession: (deps, { e164 }) => createSession(deps, `+${e164}`),
  GetSessionMetadata: async (deps, { sessionId }) => readSession(deps, idOf(sessionId)),
  async SendVerificationCode(deps, { sessionId, transport, acceptLanguage, clientType }) {
    const id = idOf(sessionId);
    const channel = transports[transport];
    if (channel === undefined) throw new BadCall('transport must be SMS or VOICE');
    const locale = languageFor(undefined, acceptLanguage);
    const client = clients[clientType];
    return sendSessionCode(deps, id, { channel, ...(locale && { locale }), ...(client && { client }) });
  },
  CheckVerificationCode: async (deps, { sessionId, verificationCode }) =>
    checkSessionCode(deps, idOf(sessionId), verificationCode),
};

/** An answer as the response of a rpc: a choice of two for the first two, both for the others. */
export function responseOf(rpc: Rpc, { session, refusal }: SessionAnswer): Record<string, unknown> {
  return {
    ...(session && { sessionMetadata: metadataOf(session, Date.now()) }),
    ...(refusal && { error: errorOf(rpc, refusal) }),
  };
}

/** The status of a call that failed, and what its caller is told: of a fault, nothing. */
export function faultOf(
  err: unknown,
  failureOf: (err: unknown) => Failure | undefined,
): { code: number; details: string } {
  if (err instanceof BadCall) return { code: err.code, details: err.message };
  return failureOf(err) === undefined
    ? { code: status.INTERNAL, details: 'Internal error' }
    : { code: status.UNAVAILABLE, details: 'A dependency is not available' };
}

function idOf(bytes: Buffer): string {
  if (bytes.length !== 16) throw new BadCall('session_id must be 16 bytes');
  return bytes.toString('hex');
}
