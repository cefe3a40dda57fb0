/** Captchas. ALTCHA is solved here, in a worker; providers whose script comes from elsewhere are not loaded. */
import type { Calls } from '../client/calls.ts';
import { VyryError } from '../client/errors.ts';
import { workerUrl } from './workers.ts';

/** A solved captcha. */
interface CaptchaProof {
  provider: string;
  token: string;
}

/** What a worker of altcha-lib answers. */
interface Solution {
  counter: number;
  derivedKey: string;
}

/**
 * Gets a captcha and solves it, which takes seconds.
 *
 * @throws {VyryError} CAPTCHA_UNKNOWN: the server has a captcha that only an app shows; or a refusal of the server
 */
export async function solveCaptcha(calls: Pick<Calls, 'offerCaptcha'>, signal: AbortSignal): Promise<CaptchaProof> {
  const { provider, challenge } = await calls.offerCaptcha();
  if (provider !== 'altcha') throw new VyryError('CAPTCHA_UNKNOWN', `This page cannot show a captcha of ${provider}`);
  const solution = await solve(challenge, signal);
  return { provider, token: btoa(JSON.stringify({ challenge, solution })) };
}

function solve(challenge: unknown, signal: AbortSignal): Promise<Solution> {
  const worker = new Worker(workerUrl('captcha-worker.js'));
  return new Promise<Solution>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
    worker.addEventListener('error', reject);
    worker.addEventListener('message', ({ data }: MessageEvent<Solution | { error: unknown } | null>) => {
      if (data !== null && 'counter' in data) resolve(data);
      else reject(new VyryError('CAPTCHA_UNKNOWN', 'The captcha has no solution'));
    });
    worker.postMessage({ type: 'work', challenge, counterStart: 0, counterStep: 1 });
  }).finally(() => worker.terminate());
}
