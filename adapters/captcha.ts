/**
 * Captchas: the self-hosted ALTCHA (proof of work) or the verify call of hCaptcha, Turnstile or reCAPTCHA.
 *
 * Nothing but a clear yes counts as solved. Timeout: 5 s. Provider away or answering rubbish: throws `Failure` `unavailable`.
 * https://altcha.org/docs/ https://docs.hcaptcha.com/#verify-the-user-response-server-side
 * https://developers.cloudflare.com/turnstile/get-started/server-side-validation/
 * https://developers.google.com/recaptcha/docs/verify
 */
import { createChallenge, randomInt, verifySolution } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import { z } from 'zod';
import { Failure } from '../domain/failures.ts';
import type { Config, Secret } from '../platform/config.ts';
import { deriveKey as derivePurposeKey } from '../platform/crypto.ts';

export type CaptchaProvider = 'altcha' | 'hcaptcha' | 'turnstile' | 'recaptcha';

/** What a client needs to show a captcha. */
export interface CaptchaOffer {
  provider: CaptchaProvider;
  siteKey?: string;
  /** ALTCHA's own JSON. */
  challenge?: unknown;
}

/** `malformed`: not a token of this provider. `refused`: a token, but not good enough; the reason is for the inside. */
export type CaptchaVerdict = { outcome: 'passed' } | { outcome: 'malformed' | 'refused'; reason: string };

export interface Captcha {
  readonly provider: CaptchaProvider;
  offer(): Promise<CaptchaOffer>;
  /** What is used up with a token: the same for every spelling of it. */
  identify(token: string): string;
  /** @throws {Failure} unavailable */
  verify(token: string, address: string): Promise<CaptchaVerdict>;
}

export interface SiteVerifyOptions {
  provider: Exclude<CaptchaProvider, 'altcha'>;
  siteKey: string;
  secret: Secret;
  /** Host names a captcha may be solved on; any when empty. */
  hostnames: readonly string[];
  action: string;
  /** 0 to 1; reCAPTCHA only. */
  scoreMin: number;
  /** In place of the vendor's own. */
  verifyUrl?: string | undefined;
}

/** The variables of the captcha. */
type CaptchaConfig = Pick<
  Config<'api'>,
  Extract<keyof Config<'api'>, `CAPTCHA_${string}`> | 'PAYLOAD_KEY' | 'NODE_ENV'
>;

/**
 * The captcha that the configuration chooses.
 *
 * @throws {Error} its keys are missing, or are the test keys of the vendor in production
 */
export function createConfiguredCaptcha(config: CaptchaConfig): Captcha {
  const { CAPTCHA_PROVIDER: provider, CAPTCHA_SITE_KEY: siteKey, CAPTCHA_SECRET: secret } = config;
  if (provider === 'altcha') {
    return createAltcha({ key: derivePurposeKey(config.PAYLOAD_KEY, 'captcha'), cost: config.CAPTCHA_COST });
  }
  if (siteKey === undefined || secret === undefined) {
    throw new Error(
      `Bad configuration of api:\n  CAPTCHA_PROVIDER ${provider} needs CAPTCHA_SITE_KEY and CAPTCHA_SECRET`,
    );
  }
  if (config.NODE_ENV === 'production' && testSecrets.includes(secret.reveal())) {
    throw new Error('Bad configuration of api:\n  CAPTCHA_SECRET is a test secret of its vendor');
  }
  return createSiteVerify({
    provider,
    siteKey,
    secret,
    hostnames: config.CAPTCHA_HOSTNAMES,
    action: config.CAPTCHA_ACTION,
    scoreMin: config.CAPTCHA_SCORE_MIN / 100,
    verifyUrl: config.CAPTCHA_VERIFY_URL,
  });
}

/** Iterations of one try; the number of tries is the setting. */
const altchaIterations = 1000;
const altchaLifeSeconds = 600;
const timeoutMs = 5000;

/** Secrets that vendors publish for tests: every token passes with them. Production refuses to start. */
export const testSecrets: readonly string[] = [
  '0x0000000000000000000000000000000000000000',
  '1x0000000000000000000000000000000AA',
  '6LeIxAcTAAAAAGG-vFI1TnRWxMZNFuojJ4WifJWe',
];

const verifyUrls = {
  hcaptcha: 'https://api.hcaptcha.com/siteverify',
  turnstile: 'https://challenges.cloudflare.com/turnstile/v0/siteverify',
  recaptcha: 'https://www.google.com/recaptcha/api/siteverify',
} as const;

const altchaToken = z.object({
  challenge: z.object({
    parameters: z.looseObject({
      algorithm: z.string(),
      nonce: z.string(),
      salt: z.string(),
      cost: z.number(),
      keyLength: z.number(),
      keyPrefix: z.string(),
    }),
    signature: z.string(),
  }),
  solution: z.looseObject({ counter: z.number(), derivedKey: z.string() }),
});

const siteVerifyAnswer = z.object({
  success: z.boolean(),
  hostname: z.string().optional(),
  action: z.string().optional(),
  score: z.number().optional(),
  'error-codes': z.array(z.string()).optional(),
});

/**
 * The self-hosted captcha. A challenge is signed, so nothing is stored until a token is used.
 *
 * @param cost the largest number of tries a client needs
 */
export function createAltcha({ key, cost }: { key: Buffer; cost: number }): Captcha {
  const secrets = { hmacSignatureSecret: key.toString('hex'), hmacKeySignatureSecret: `${key.toString('hex')} key` };
  return {
    provider: 'altcha',
    async offer() {
      const challenge = await createChallenge({
        algorithm: 'PBKDF2/SHA-256',
        cost: altchaIterations,
        counter: randomInt(1, cost),
        deriveKey,
        expiresAt: new Date(Date.now() + altchaLifeSeconds * 1000),
        ...secrets,
      });
      return { provider: 'altcha', challenge };
    },
    // the nonce is signed, the rest of a token may be written in many ways
    identify: (token) => readAltchaToken(token)?.challenge.parameters.nonce ?? token,
    async verify(token) {
      const payload = readAltchaToken(token);
      if (payload === undefined) return { outcome: 'malformed', reason: 'not-a-solution' };
      const { challenge, solution } = payload;
      const result = await verifySolution({ challenge, solution, deriveKey, ...secrets } as Parameters<
        typeof verifySolution
      >[0]).catch(() => undefined);
      if (result?.verified) return { outcome: 'passed' };
      if (result?.expired) return { outcome: 'refused', reason: 'expired' };
      return { outcome: 'refused', reason: 'not-solved' };
    },
  };
}

/** A captcha of a vendor, verified by its documented call. */
export function createSiteVerify(options: SiteVerifyOptions): Captcha {
  const { provider, siteKey, secret } = options;
  return {
    provider,
    offer: async () => ({ provider, siteKey }),
    identify: (token) => token,
    async verify(token, address) {
      const answer = await ask(options.verifyUrl ?? verifyUrls[provider], {
        secret: secret.reveal(),
        response: token,
        remoteip: address,
      });
      return judge(answer, options);
    },
  };
}

function readAltchaToken(token: string): z.output<typeof altchaToken> | undefined {
  try {
    return altchaToken.parse(JSON.parse(Buffer.from(token, 'base64').toString()));
  } catch {
    return undefined;
  }
}

async function ask(url: string, fields: Record<string, string>): Promise<z.output<typeof siteVerifyAnswer>> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      body: new URLSearchParams(fields),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    return siteVerifyAnswer.parse(await response.json());
  } catch {
    throw new Failure('unavailable', { message: 'The captcha provider is not available' });
  }
}

/** Errors of a vendor that say something of us or of itself, and nothing of the person. */
const notThePersons = /input-secret|internal-error|bad-request/;
const notAToken = /invalid-input-response|missing-input-response|timeout-or-duplicate|already-seen/;

function judge(answer: z.output<typeof siteVerifyAnswer>, options: SiteVerifyOptions): CaptchaVerdict {
  const errors = (answer['error-codes'] ?? []).join(' ');
  if (notThePersons.test(errors)) {
    throw new Failure('unavailable', { message: 'The captcha provider is not available' });
  }
  if (!answer.success) return { outcome: notAToken.test(errors) ? 'malformed' : 'refused', reason: errors };
  const reason = shortcomingOf(answer, options);
  return reason === undefined ? { outcome: 'passed' } : { outcome: 'refused', reason };
}

/** What a solved captcha lacks to be ours and good enough. */
function shortcomingOf(answer: z.output<typeof siteVerifyAnswer>, options: SiteVerifyOptions): string | undefined {
  const { provider, hostnames, action, scoreMin } = options;
  if (hostnames.length > 0 && !hostnames.includes(answer.hostname ?? '')) return 'hostname';
  if (provider !== 'hcaptcha' && answer.action !== action) return 'action';
  if (provider === 'recaptcha' && (answer.score ?? 0) < scoreMin) return 'score';
  return undefined;
}
