/**
 * `org.signal.registration.rpc.RegistrationService`: a drop-in replacement behind a Signal-Server. Handlers parse the
 * request, call the operation and convert the answer. A refusal is part of a response whose status is OK.
 */
import { status } from '@grpc/grpc-js';
import { languageFor } from '../../domain/templates/languages.ts';
import type { Channel } from '../../domain/verification.ts';
import type { SendRequest } from '../../workflows/verification.ts';
import { failureOf } from '../problems.ts';
import {
  checkSessionCode,
  createSession,
  readSession,
  type SessionAnswer,
  type SessionDeps,
  sendSessionCode,
} from '../verifications/sessions.ts';
import { errorOf, metadataOf, type Rpc, rpcs, statusOf } from './answers.ts';
import { type Answered, type Service, Unreadable } from './service.ts';

/** A malformed request, returned as the status of the call. */
class BadCall extends Error {}

interface Requests {
  CreateSession: { e164: string; rateLimitCollationKey: string };
  GetSessionMetadata: { sessionId: Buffer };
  SendVerificationCode: { sessionId: Buffer; transport: number; acceptLanguage: string; clientType: number };
  CheckVerificationCode: { sessionId: Buffer; verificationCode: string };
}

type Operations = { [R in Rpc]: (deps: SessionDeps, request: Requests[R]) => Promise<SessionAnswer> };

const transports: Record<number, Channel | undefined> = { 1: 'sms', 2: 'voice' };
const clients: Record<number, SendRequest['client']> = { 1: 'ios', 2: 'android', 3: 'android' };

const operations: Operations = {
  CreateSession: (deps, { e164, rateLimitCollationKey }) => createSession(deps, `+${e164}`, rateLimitCollationKey),
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

/** The service. */
export const registrationService: Service = {
  name: 'org.signal.registration.rpc.RegistrationService',
  file: new URL('../../contract/proto/registration_service.proto', import.meta.url),
  rpcs: Object.fromEntries(
    rpcs.map((rpc) => {
      const operation: (deps: SessionDeps, request: never) => Promise<SessionAnswer> = operations[rpc];
      return [
        rpc,
        {
          isRead: rpc === 'GetSessionMetadata',
          run: async (deps, message) => answerOf(rpc, await operation(deps, message as never)),
        },
      ];
    }),
  ),
  failed({ events }, thrown): Answered {
    if (thrown instanceof BadCall || thrown instanceof Unreadable) {
      const details = thrown instanceof BadCall ? thrown.message : 'The message cannot be read';
      const fault = { code: status.INVALID_ARGUMENT, details };
      return { response: [fault], httpStatus: 400, refusal: { code: 'malformed' } };
    }
    if (failureOf(thrown) === undefined) {
      events.requestFailed(thrown);
      const fault = { code: status.INTERNAL, details: 'Internal error' };
      return { response: [fault], httpStatus: 500, refusal: { code: 'internal-error' } };
    }
    events.dependencyFailed(thrown);
    const fault = { code: status.UNAVAILABLE, details: 'A dependency is unavailable' };
    return { response: [fault], httpStatus: 503, refusal: { code: 'unavailable' } };
  },
};

/** One of the two for the first two RPCs, both for the others. */
function responseOf(rpc: Rpc, { session, refusal }: SessionAnswer): Record<string, unknown> {
  return {
    ...(session && { sessionMetadata: metadataOf(session) }),
    ...(refusal && { error: errorOf(rpc, refusal) }),
  };
}

function answerOf(rpc: Rpc, answer: SessionAnswer): Answered {
  const response: Answered['response'] = [null, responseOf(rpc, answer)];
  const { refusal } = answer;
  if (refusal === undefined) return { response, httpStatus: 200 };
  const { reason, limit, waitMs } = refusal;
  const retryAfterSeconds = waitMs === undefined ? undefined : Math.ceil(waitMs / 1000);
  return {
    response,
    httpStatus: statusOf(refusal),
    refusal: { code: reason, ...(limit && { limit }), ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) },
  };
}

function idOf(bytes: Buffer): string {
  if (bytes.length !== 16) throw new BadCall('session_id must be 16 bytes');
  return bytes.toString('hex');
}
