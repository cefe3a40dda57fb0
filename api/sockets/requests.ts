/** The requests of clients by Socket.IO: their handlers, and how each is answered. */
import { type SocketAnswer, type SocketRequest, socketOperations } from '../../contract/socket-events.ts';
import { Failure } from '../../domain/failures.ts';
import { createBudget } from '../../platform/budget.ts';
import { newId } from '../../platform/crypto.ts';
import { traces } from '../../platform/log.ts';
import { beginTrace, requestTrace } from '../../platform/spans.ts';
import { requireToken } from '../authenticate.ts';
import type { ApiDeps } from '../deps.ts';
import { limited, limitRequest } from '../limits/counting.ts';
import { type AcknowledgeDeps, acknowledgeMessagesEvent } from '../messages/acknowledge.ts';
import { type SendDeps, sendMessageEvent } from '../messages/send.ts';
import { malformed } from '../parse.ts';
import { noteProblem, problemOf } from '../problems.ts';
import {
  type HandlerInput,
  type LiveConnection,
  type ServeDeps,
  type Served,
  serveConnection,
  servedBy,
} from '../serve.ts';
import { requestRate, tokenAfterSeconds } from './budgets.ts';
import type { Connection, ReceivedRequest } from './connection.ts';
import { type ConversationDeps, requireShared } from './sharing.ts';

type Ops = typeof socketOperations;
type Done = Promise<{ status: 200; body: Record<string, never> }>;

/** The dependencies of requests. */
export type RequestDeps = ServeDeps &
  SendDeps &
  AcknowledgeDeps &
  ConversationDeps &
  Pick<ApiDeps, 'requestLeases' | 'events'>;

const done = { status: 200 as const, body: {} };

/** Continues with another token. @throws {Failure} token-invalid, also for a token of another session or device */
async function renewToken(
  deps: RequestDeps,
  { body, connection }: HandlerInput<Ops['auth:renew']>,
): Promise<{ status: 200; body: { expiresAt: string } }> {
  const { session, expiresAt } = await requireToken(deps, `Bearer ${body.accessToken}`);
  const { sessionId, userId, deviceId } = liveOf(connection).session;
  const isSame = session.sessionId === sessionId && session.userId === userId && session.deviceId === deviceId;
  if (!isSame) throw new Failure('token-invalid');
  liveOf(connection).renew(session, expiresAt);
  return { status: 200, body: { expiresAt: new Date(expiresAt).toISOString() } };
}

async function acknowledgeMessages(deps: RequestDeps, input: HandlerInput<Ops['message:ack']>): Done {
  const answer = await acknowledgeMessagesEvent(deps, input);
  liveOf(input.connection).release(input.body.messageIds);
  return answer;
}

/** @throws {Failure} conversation-closed */
async function sendReceipt(
  deps: RequestDeps,
  { holder, body: { userId, messageIds, kind } }: HandlerInput<Ops['receipt:send']>,
): Done {
  await requireShared(deps, holder.userId, userId);
  await deps.inboxes.announce(userId, {
    event: 'receipt:new',
    payload: { userId: holder.userId, messageIds, kind },
  });
  return done;
}

/** @throws {Failure} conversation-closed */
async function sendTyping(
  deps: RequestDeps,
  { holder, body: { userId, active } }: HandlerInput<Ops['typing:send']>,
): Done {
  await requireShared(deps, holder.userId, userId);
  await deps.inboxes.announce(userId, { event: 'typing:new', payload: { userId: holder.userId, active } });
  return done;
}

/** @throws {Failure} conversation-closed if one of the users may not be followed: nothing is changed then */
async function followUsers(
  deps: RequestDeps,
  { holder, body: { userIds }, connection }: HandlerInput<Ops['presence:subscribe']>,
): Done {
  await Promise.all(userIds.map((userId) => requireShared(deps, userId, holder.userId)));
  await liveOf(connection).follow(userIds);
  return done;
}

function liveOf(connection: LiveConnection | undefined): LiveConnection {
  if (connection === undefined) throw new Error('A request by a socket has its connection');
  return connection;
}

const served: Readonly<Record<string, Served<RequestDeps>>> = servedBy<Ops, RequestDeps>(socketOperations, {
  'auth:renew': renewToken,
  'message:send': sendMessageEvent,
  'message:ack': acknowledgeMessages,
  'receipt:send': sendReceipt,
  'typing:send': sendTyping,
  'presence:subscribe': followUsers,
});

/** What answers a request beside its dependencies. */
type Live = Pick<Connection, 'caller'> & LiveConnection;

/** Answers a request: whatever it contains, and whatever its handler throws. Never rejects. */
export async function answerRequest(
  deps: RequestDeps,
  connection: Live,
  request: ReceivedRequest,
): Promise<SocketAnswer<unknown>> {
  return answered(deps, connection.caller, request, async (known) => {
    await limitRequest(deps, connection.caller);
    if (known === undefined) throw new Failure('not-found', { message: 'There is no such event' });
    if (request.values.length > 1) throw malformed('', 'must be one value and an acknowledgement');
    const [body] = request.values;
    const { body: data = {} } = await serveConnection(deps, known, { connection, body, caller: connection.caller });
    return data;
  });
}

/** Returns the answer to a request that exceeds the budget of its connection. */
export function refuseRequest({ events }: RequestDeps, { event }: ReceivedRequest): SocketAnswer<unknown> {
  const { status, body, refusal } = problemOf(
    limited('requests-per-connection', tokenAfterSeconds(requestRate)),
    newId(),
  );
  events.socketRequestEnded({ event: eventOf(event), status, seconds: 0, refusal });
  return { error: { ...body } };
}

async function answered(
  deps: RequestDeps,
  { address, userAgent }: Connection['caller'],
  { event }: ReceivedRequest,
  run: (known: Served<RequestDeps> | undefined) => Promise<unknown>,
): Promise<SocketAnswer<unknown>> {
  const beganAt = performance.now();
  const { traceparent } = beginTrace(undefined, deps.config.OTEL_TRACES_SAMPLER_ARG);
  const trace = requestTrace({ ip: address, userAgent, traceparent });
  const budget = createBudget(deps.config.REQUEST_BUDGET_MS);
  trace.budget = budget;
  const ended = { event: eventOf(event) };
  return traces.run(trace, async () => {
    const seconds = () => (performance.now() - beganAt) / 1000;
    try {
      const data = await run(served[ended.event]);
      deps.events.socketRequestEnded({ ...ended, status: 200, seconds: seconds() });
      return { data };
    } catch (err) {
      const problem = problemOf(err, trace.requestId);
      noteProblem(deps.events, problem, err);
      deps.events.socketRequestEnded({
        ...ended,
        status: problem.status,
        seconds: seconds(),
        refusal: problem.refusal,
      });
      return { error: { ...problem.body } };
    } finally {
      budget.isOver = true;
    }
  });
}

/** Returns the name of an event for operators, who see no text of a client. */
function eventOf(event: unknown): SocketRequest | 'unknown' {
  return typeof event === 'string' && Object.hasOwn(served, event) ? (event as SocketRequest) : 'unknown';
}
