/** Captchas: a solved one is verified once, for what its holder does with it. */
import type { CaptchaProof } from '../contract/registrations.ts';
import { Failure } from '../domain/failures.ts';
import type { ApiDeps } from './deps.ts';
import { malformed } from './parse.ts';

/** The dependencies of using a captcha. */
export type CaptchaDeps = Pick<ApiDeps, 'captcha' | 'usedCaptchas' | 'events'>;

/** Requires the configured provider. @throws {Failure} malformed, at the path of the field */
export function requireProvider({ captcha }: Pick<ApiDeps, 'captcha'>, provider: string, path = 'provider'): void {
  if (provider !== captcha.provider) throw malformed(path, `must be ${captcha.provider}`);
}

/** What a captcha is used for: a registration, one of its sends, or a log-in. */
interface CaptchaUse {
  /** The same use may repeat its token. */
  holder: string;
  /** The registration or log-in, for operators. */
  subject: string;
  address: string;
}

/**
 * Uses a captcha for one send. Safe to repeat for the same holder.
 *
 * @throws {Failure} malformed, captcha-malformed, captcha-used, captcha-refused, unavailable
 */
export async function useCaptchaForSend(
  deps: CaptchaDeps,
  use: CaptchaUse,
  { provider, token }: CaptchaProof,
): Promise<void> {
  requireProvider(deps, provider, 'captcha.provider');
  const passed = await useCaptcha(deps, use, token);
  await passed();
}

/**
 * Verifies a token once for a holder. The returned function stores that it passed, so that the holder may repeat it.
 *
 * @throws {Failure} captcha-malformed, captcha-used, captcha-refused, unavailable
 */
export async function useCaptcha(deps: CaptchaDeps, use: CaptchaUse, token: string): Promise<() => Promise<void>> {
  const { holder } = use;
  // reserved before it is verified, so that parallel uses by other holders are refused
  const used = deps.captcha.identify(token);
  const taken = await deps.usedCaptchas.take(used, holder);
  if (taken === 'used') {
    deps.events.captchaRefused(use.subject, 'used');
    throw new Failure('captcha-used');
  }
  if (taken === 'taken') await requireSolved(deps, use, token);
  // some vendors verify a token only once, so a repeat does not call them again
  return () => deps.usedCaptchas.pass(used, holder);
}

async function requireSolved(deps: CaptchaDeps, { subject, address }: CaptchaUse, token: string): Promise<void> {
  const verdict = await deps.captcha.verify(token, address).catch(async (err: unknown) => {
    await deps.usedCaptchas.refund(deps.captcha.identify(token));
    deps.events.dependencyAway('captcha', deps.captcha.provider);
    throw err;
  });
  if (verdict.outcome === 'passed') return;
  // strangers can make any number of such tokens, and none of them opens anything: they leave no record
  await deps.usedCaptchas.refund(deps.captcha.identify(token));
  deps.events.captchaRefused(subject, verdict.reason);
  throw new Failure(verdict.outcome === 'malformed' ? 'captcha-malformed' : 'captcha-refused');
}
