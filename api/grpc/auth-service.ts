/**
 * `vyry.auth.v1.AuthService`: the operations of /auth, for servers. A message becomes the body that REST would parse,
 * so that both transports behave in the same way.
 */
import { Failure } from '../../domain/failures.ts';
import type { ApiDeps } from '../deps.ts';
import { served } from '../handlers.ts';
import { limitRequest } from '../limits/counting.ts';
import { malformed } from '../parse.ts';
import { noteProblem, problemOf } from '../problems.ts';
import { type ApiAnswer, serve } from '../serve.ts';
import { faultOf } from './failures.ts';
import { type Answered, type Rpc, type RpcCall, type Service, Unreadable } from './service.ts';

interface LogInMessage {
  start?: unknown;
  proof?: Record<string, unknown>;
}

/** The service. */
export const authService: Service = {
  name: 'vyry.auth.v1.AuthService',
  file: new URL('../../contract/proto/auth_service.proto', import.meta.url),
  rpcs: {
    SignUp: rpcOf('register', ({ registrationToken, ...registration }) => ({ registration, registrationToken })),
    Login: { isRead: false, run: logIn },
    ValidateToken: { ...rpcOf('validateToken'), isRead: true },
    ForgotPassword: rpcOf('forgetPassword'),
    ResetPassword: rpcOf('resetPassword'),
  },
  failed(deps, thrown, { requestId }): Answered {
    const problem = problemOf(thrown instanceof Unreadable ? new Failure('malformed') : thrown, requestId);
    noteProblem(deps.events, problem, thrown);
    const { code, details, metadata } = faultOf(problem);
    return { response: [{ code, details }, null, metadata], httpStatus: problem.status, refusal: problem.refusal };
  },
};

/** An RPC whose message is the body of an operation; `messageOf` converts the answer into the response. */
function rpcOf(
  id: keyof typeof served,
  messageOf: (body: Record<string, unknown>) => Record<string, unknown> = (body) => body,
): Rpc {
  return {
    isRead: false,
    async run(deps, message, call) {
      const { body } = await serveRpc(deps, id, call, message);
      return { response: [null, messageOf((body ?? {}) as Record<string, unknown>)], httpStatus: 200 };
    },
  };
}

async function serveRpc(
  deps: ApiDeps,
  id: keyof typeof served,
  { caller }: RpcCall,
  body: unknown,
  authorization?: string,
): Promise<ApiAnswer> {
  await limitRequest(deps, caller);
  return serve(deps, served[id], { params: {}, query: {}, body, authorization, caller });
}

/** Two operations in one RPC, selected by its message. */
async function logIn(deps: ApiDeps, message: unknown, call: RpcCall): Promise<Answered> {
  const { start, proof } = message as LogInMessage;
  if ((start === undefined) === (proof === undefined)) throw malformed('step', 'must be either start or proof');
  const { registrationToken, ...code } = proof ?? {};
  const authorization = registrationToken === undefined ? undefined : `Bearer ${registrationToken}`;
  const { body } =
    proof === undefined
      ? await serveRpc(deps, 'beginLogIn', call, start)
      : await serveRpc(deps, 'verify', call, code, authorization);
  const answer = body as Record<string, unknown>;
  const other = proof === undefined ? 'started' : 'registration';
  return { response: [null, { ['accessToken' in answer ? 'tokens' : other]: answer }], httpStatus: 200 };
}
