/**
 * `vyry.auth.v1.AuthService`: the operations behind /auth, for servers. A message becomes the body that REST would parse, so
 * that both doors decide alike.
 */
import { Failure } from '../../domain/failures.ts';
import { beginLogIn } from '../auth/log-in.ts';
import { forgetPassword, resetPassword } from '../auth/recovery.ts';
import { register } from '../auth/register.ts';
import { validateToken } from '../auth/validate.ts';
import { verifyCodeOf } from '../auth/verify.ts';
import type { ApiDeps } from '../deps.ts';
import { limitRequest } from '../limits.ts';
import { noteProblem, problemOf } from '../problems.ts';
import { malformed } from '../schemas.ts';
import { faultOf } from './failures.ts';
import { type Answered, type Rpc, type RpcCall, type Service, Unreadable } from './service.ts';

type Operation = (deps: ApiDeps, message: unknown, call: RpcCall) => Promise<Record<string, unknown>>;

interface LogInMessage {
  start?: unknown;
  proof?: Record<string, unknown>;
}

/** The service as the door runs it. */
export const authService: Service = {
  name: 'vyry.auth.v1.AuthService',
  file: new URL('./auth_service.proto', import.meta.url),
  rpcs: {
    SignUp: rpcOf(async (deps, message, { caller }) => {
      const { registrationToken, ...registration } = await register(deps, message, caller);
      return { registration, registrationToken };
    }),
    Login: rpcOf(logIn),
    ValidateToken: { ...rpcOf(async (deps, message) => validateToken(deps, message)), isRead: true },
    ForgotPassword: rpcOf(async (deps, message, { caller }) => {
      await forgetPassword(deps, message, caller);
      return {};
    }),
    ResetPassword: rpcOf(async (deps, message) => {
      await resetPassword(deps, message);
      return {};
    }),
  },
  failed(deps, thrown, { requestId }): Answered {
    const problem = problemOf(thrown instanceof Unreadable ? new Failure('malformed') : thrown, requestId);
    noteProblem(deps.events, problem, thrown);
    const { code, details, metadata } = faultOf(problem);
    return { response: [{ code, details }, null, metadata], httpStatus: problem.status, refusal: problem.refusal };
  },
};

function rpcOf(operation: Operation): Rpc {
  return {
    isRead: false,
    async run(deps, message, call) {
      await limitRequest(deps, call.caller);
      return { response: [null, await operation(deps, message, call)], httpStatus: 200 };
    },
  };
}

async function logIn(deps: ApiDeps, message: unknown, { caller }: RpcCall): Promise<Record<string, unknown>> {
  const { start, proof } = message as LogInMessage;
  if ((start === undefined) === (proof === undefined)) throw malformed('step', 'must be one of start and proof');
  if (proof === undefined) {
    const answer = await beginLogIn(deps, start, caller);
    return 'accessToken' in answer ? { tokens: answer } : { started: answer };
  }
  const { registrationToken, ...body } = proof;
  const authorization = registrationToken === undefined ? undefined : `Bearer ${registrationToken}`;
  const answer = await verifyCodeOf(deps, body, { ...caller, authorization });
  return 'accessToken' in answer ? { tokens: answer } : { registration: answer };
}
