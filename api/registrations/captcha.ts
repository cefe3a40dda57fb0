/** `GET /captcha` and `PUT /registrations/{id}/captcha`. */
import type { AnswerOf } from '../../contract/operation.ts';
import type { registrationOperations } from '../../contract/registrations.ts';
import { passCaptcha } from '../../workflows/registration-messages.ts';
import { type CaptchaDeps, requireProvider, useCaptcha } from '../captchas.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';
import { carryProof, currentView, finalView, isDone, requireStep, type ViewDeps } from './status.ts';
import { type UpdateDeps, updateRegistration } from './update.ts';

type Offer = typeof registrationOperations.offerCaptcha;
type Verify = typeof registrationOperations.verifyCaptcha;

/** Returns what a client needs to show a captcha. */
export async function offerCaptcha({ captcha }: Pick<ApiDeps, 'captcha'>): Promise<AnswerOf<Offer>> {
  return { status: 200, body: await captcha.offer() };
}

/**
 * Verifies a captcha and records it. A token works once; the same registration may repeat it.
 *
 * @throws {Failure} captcha-malformed, captcha-used, captcha-refused, unavailable
 */
export async function verifyCaptcha(
  deps: CaptchaDeps & UpdateDeps & ViewDeps & Pick<ApiDeps, 'policy'>,
  { holder: caller, body: { provider, token } }: HandlerInput<Verify>,
): Promise<AnswerOf<Verify>> {
  const { registrationId } = caller;
  requireStep(deps, caller, 'captcha');
  requireProvider(deps, provider);
  if (isDone(caller.status, 'captcha')) return { status: 200, body: await currentView(deps, registrationId) };
  const use = { holder: registrationId, subject: registrationId, address: caller.address };
  const passed = await useCaptcha(deps, use, token);
  const isCarried = await carryProof(deps, caller, 'captcha', { at: Date.now() });
  const told = isCarried ? undefined : updateRegistration(deps, registrationId, passCaptcha, {});
  const [answer] = await Promise.all([told, passed()]);
  deps.events.stepDone(registrationId, 'captcha');
  return { status: 200, body: await finalView(deps, registrationId, answer?.status) };
}
