/** `GET /captcha` and `PUT /registrations/{id}/captcha`. */
import { z } from 'zod';
import type { CaptchaOffer } from '../../adapters/captcha.ts';
import { Failure } from '../../domain/failures.ts';
import { passCaptcha } from '../../workflows/registration.ts';
import type { ApiDeps } from '../deps.ts';
import { malformed, parse, type Registration, text } from '../schemas.ts';
import { currentView, finalView, isDone, type RegistrationCaller, requireStep } from './status.ts';
import { updateRegistration } from './update.ts';

/** The solved captcha, as its provider’s widget gives it. */
export const CaptchaProof = z.strictObject({ provider: text(32), token: text(10_000) });

/** What a client needs to show a captcha. */
export async function offerCaptcha(deps: ApiDeps): Promise<CaptchaOffer> {
  return deps.captcha.offer();
}

/**
 * Verifies a captcha and notes it. A token works once; the same registration may repeat it.
 *
 * @throws {Failure} captcha-malformed, captcha-used, captcha-refused, unavailable
 */
export async function verifyCaptcha(deps: ApiDeps, caller: RegistrationCaller, body: unknown): Promise<Registration> {
  const { provider, token } = parse(CaptchaProof, body);
  requireStep(deps, caller, 'captcha');
  requireProvider(deps, provider);
  if (isDone(caller.status, 'captcha')) return currentView(deps, caller.registrationId);
  const passed = await useCaptcha(deps, caller, token, caller.registrationId);
  const [{ status }] = await Promise.all([updateRegistration(deps, caller.registrationId, passCaptcha, []), passed()]);
  deps.events.stepDone(caller.registrationId, 'captcha');
  return finalView(deps, caller.registrationId, status);
}

/** @throws {Failure} malformed, at the path of the field */
function requireProvider(deps: ApiDeps, provider: string, path = 'provider'): void {
  if (provider !== deps.captcha.provider) throw malformed(path, `must be ${deps.captcha.provider}`);
}

/**
 * Uses a captcha up for one send. Safe to repeat with the same `sendId`.
 *
 * @throws {Failure} malformed, captcha-malformed, captcha-used, captcha-refused, unavailable
 */
export async function useCaptchaForSend(
  deps: ApiDeps,
  caller: RegistrationCaller,
  { provider, token }: z.infer<typeof CaptchaProof>,
  sendId: string,
): Promise<void> {
  requireProvider(deps, provider, 'captcha.provider');
  const passed = await useCaptcha(deps, caller, token, `${caller.registrationId} ${sendId}`);
  await passed();
}

/** Verifies a token for a holder, once; what is answered remembers that it passed, so that the holder may repeat. */
async function useCaptcha(
  deps: ApiDeps,
  caller: RegistrationCaller,
  token: string,
  holder: string,
): Promise<() => Promise<void>> {
  // reserved before it is verified: of parallel uses by other holders none gets further
  const used = deps.captcha.identify(token);
  const taken = await deps.usedCaptchas.take(used, holder);
  if (taken === 'used') throw new Failure('captcha-used');
  if (taken === 'taken') await requireSolved(deps, caller, token);
  // for a vendor that verifies a token only once: a repeat does not ask again
  return () => deps.usedCaptchas.pass(used, holder);
}

async function requireSolved(
  deps: ApiDeps,
  { registrationId, address }: RegistrationCaller,
  token: string,
): Promise<void> {
  const verdict = await deps.captcha.verify(token, address).catch(async (err: unknown) => {
    await deps.usedCaptchas.refund(deps.captcha.identify(token));
    deps.events.dependencyAway('captcha', deps.captcha.provider);
    throw err;
  });
  if (verdict.outcome === 'passed') return;
  deps.events.captchaRefused(registrationId, verdict.reason);
  throw new Failure(verdict.outcome === 'malformed' ? 'captcha-malformed' : 'captcha-refused');
}
