/** The rows of /auth on passwords and PINs. */
import { requestContext, sessionOf } from '../requests.ts';
import { always, type Route } from '../route.ts';
import { changePassword, PasswordChange } from './password-change.ts';
import { changePin, PinChange, TypedPin, verifyPin } from './pin.ts';
import { beginPinReset, PinReset, PinResetRequest, resetPin, StartedPinReset } from './pin-reset.ts';
import {
  ForgottenPassword,
  forgetPassword,
  PasswordReset,
  RecoveryStop,
  resetPassword,
  stopRecovery,
} from './recovery.ts';
import { StepUp, stepUp } from './step-up.ts';

const auth = '/api/v1/auth';

/** Rows of the REST table, in the order of API.md. */
export const credentialRoutes: Route[] = [
  {
    method: 'post',
    path: `${auth}/password/forgot`,
    summary: 'Have the owner of an account sent how to choose a new password; the same answer for unknown people',
    guard: 'none',
    body: ForgottenPassword,
    status: 202,
    isIdempotent: true,
    failures: [...always, 'idempotency-key-reused'],
    run: (req, deps) => forgetPassword(deps, req.body, requestContext(req)),
  },
  {
    method: 'post',
    path: `${auth}/password/reset`,
    summary: 'Choose a new password by the token of the message; every session ends',
    guard: 'none',
    body: PasswordReset,
    status: 204,
    failures: [...always, 'token-invalid', 'password-weak'],
    run: (req, deps) => resetPassword(deps, req.body),
  },
  {
    method: 'post',
    path: `${auth}/password/stop`,
    summary: 'Not me: stop a recovery by the other token of the message',
    guard: 'none',
    body: RecoveryStop,
    status: 204,
    failures: [...always, 'token-invalid'],
    run: (req, deps) => stopRecovery(deps, req.body),
  },
  {
    method: 'put',
    path: `${auth}/password`,
    summary: 'Change the password; every other session ends',
    guard: 'session',
    body: PasswordChange,
    status: 204,
    failures: [...always, 'credentials-wrong', 'password-weak', 'not-found'],
    run: async (req, deps) => changePassword(deps, await sessionOf(req, deps), req.body, requestContext(req)),
  },
  {
    method: 'put',
    path: `${auth}/pin`,
    summary: 'Set or change the PIN; every other session ends',
    guard: 'session',
    stepUp: 'always',
    body: PinChange,
    status: 204,
    failures: [...always, 'credentials-wrong', 'password-weak', 'step-not-available'],
    run: async (req, deps) => changePin(deps, await sessionOf(req, deps), req.body, requestContext(req)),
  },
  {
    method: 'post',
    path: `${auth}/pin/verify`,
    summary: 'Whether a PIN is right; after ten wrong ones in a day not even the right one is',
    guard: 'session',
    body: TypedPin,
    status: 204,
    failures: [...always, 'credentials-wrong'],
    run: async (req, deps) => verifyPin(deps, await sessionOf(req, deps), req.body, requestContext(req)),
  },
  {
    method: 'post',
    path: `${auth}/step-up`,
    summary:
      'Prove the person of the session again by password or PIN, for what a session that began long ago may not do',
    guard: 'session',
    body: StepUp,
    status: 204,
    failures: [...always, 'credentials-wrong'],
    run: async (req, deps) => stepUp(deps, await sessionOf(req, deps), req.body, requestContext(req)),
  },
  {
    method: 'post',
    path: `${auth}/pin/reset/code`,
    summary: 'Have a code sent for a new PIN',
    guard: 'session',
    stepUp: 'always',
    body: PinResetRequest.optional(),
    status: 202,
    answer: StartedPinReset,
    isIdempotent: true,
    failures: [...always, 'channel-not-available', 'idempotency-key-reused'],
    run: async (req, deps) => beginPinReset(deps, await sessionOf(req, deps), req.body, requestContext(req)),
  },
  {
    method: 'post',
    path: `${auth}/pin/reset`,
    summary: 'Replace a forgotten PIN by a fresh code; every other session ends',
    guard: 'session',
    body: PinReset,
    status: 204,
    failures: [...always, 'password-weak', 'not-found', 'code-wrong', 'code-expired'],
    run: async (req, deps) => resetPin(deps, await sessionOf(req, deps), req.body, requestContext(req)),
  },
];
