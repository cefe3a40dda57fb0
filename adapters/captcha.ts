/**
 * Captchas: self-hosted ALTCHA (proof of work), or server-side verification by hCaptcha, Turnstile or reCAPTCHA.
 *
 * Only an explicit success counts as solved. Timeout: 5 s. If the provider is unavailable or its response is invalid,
 * calls throw `Failure` `unavailable`.
 * https://altcha.org/docs/ https://docs.hcaptcha.com/#verify-the-user-response-server-side
 * https://developers.cloudflare.com/turnstile/get-started/server-side-validation/
 * https://developers.google.com/recaptcha/docs/verify
 */
import { createChallenge, randomInt, verifySolution } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import { z } from 'zod';
import { Failure } from '../domain/failures.ts';
import { callTime } from '../platform/budget.ts';
import type { Config } from '../platform/config/config.ts';
import type { Secret } from '../platform/config/secret.ts';

/** A captcha provider. */
type CaptchaProvider = 'altcha' | 'hcaptcha' | 'turnstile' | 'recaptcha';

/** The parameters with which a client shows a captcha. */
interface CaptchaOffer {
  provider: CaptchaProvider;
  siteKey?: string;
  /** The challenge of ALTCHA, as JSON. */
  challenge?: unknown;
}

/**
 * `malformed`: not a token of this provider. `refused`: a token that does not pass; the reason is not shown to clients.
 */
type CaptchaVerdict = { outcome: 'passed' } | { outcome: 'malformed' | 'refused'; reason: string };

/** A configured captcha. */
export interface Captcha {
  readonly provider: CaptchaProvider;
  offer(): Promise<CaptchaOffer>;
  /** Returns the part of a token that may be used once. It is the same for every encoding of the token. */
  identify(token: string): string;
  /** Verifies a token; `address` is the IP address of the client. @throws {Failure} unavailable */
  verify(token: string, address: string): Promise<CaptchaVerdict>;
}

/** The options of `createSiteVerify`. */
interface SiteVerifyOptions {
  provider: Exclude<CaptchaProvider, 'altcha'>;
  siteKey: string;
  secret: Secret;
  /** Host names on which a captcha may be solved; any when empty. */
  hostnames: readonly string[];
  action: string;
  /** 0 to 1; reCAPTCHA only. */
  scoreMin: number;
  /** Replaces the URL of the provider. */
  verifyUrl?: string | undefined;
}

/** The configuration variables of the captcha. */
type CaptchaConfig = Pick<Config<'api'>, Extract<keyof Config<'api'>, `CAPTCHA_${string}`> | 'KEYS' | 'NODE_ENV'>;

/**
 * Creates the captcha that the configuration selects.
 *
 * @throws {Error} its keys are missing, or are the test keys of the provider in production
 */
export function createConfiguredCaptcha(config: CaptchaConfig): Captcha {
  const { CAPTCHA_PROVIDER: provider, CAPTCHA_SITE_KEY: siteKey, CAPTCHA_SECRET: secret } = config;
  if (provider === 'altcha') {
    return createAltcha({ key: config.KEYS.lasting('captcha'), cost: config.CAPTCHA_COST });
  }
  if (siteKey === undefined || secret === undefined) {
    throw new Error(
      `Bad configuration of api:\n  CAPTCHA_PROVIDER ${provider} needs CAPTCHA_SITE_KEY and CAPTCHA_SECRET`,
    );
  }
  if (config.NODE_ENV === 'production' && testSecrets.includes(secret.reveal())) {
    throw new Error('Bad configuration of api:\n  CAPTCHA_SECRET is a test secret of the provider');
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

/** PBKDF2 iterations of one attempt. The number of attempts is configurable. */
const altchaIterations = 1000;
const altchaLifeSeconds = 600;
const timeoutMs = 5000;

/** Secrets that providers publish for tests: every token passes with them. Production refuses to start. */
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
 * Creates the self-hosted captcha. A challenge is signed, so nothing is stored until a token is used.
 *
 * @param cost the largest number of attempts that a client needs
 */
function createAltcha({ key, cost }: { key: Buffer; cost: number }): Captcha {
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
    // the nonce is signed; the rest of a token can be encoded in many ways
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

/** Creates a captcha of a provider, verified with its siteverify call. */
function createSiteVerify(options: SiteVerifyOptions): Captcha {
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
      signal: AbortSignal.timeout(callTime(timeoutMs)),
    });
    return siteVerifyAnswer.parse(await response.json());
  } catch {
    throw new Failure('unavailable', { message: 'The captcha provider is not available' });
  }
}

/** Error codes of a provider that concern the configuration or the provider itself, not the client. */
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

/** Returns why a solved captcha does not pass, or undefined if it does. */
function shortcomingOf(answer: z.output<typeof siteVerifyAnswer>, options: SiteVerifyOptions): string | undefined {
  const { provider, hostnames, action, scoreMin } = options;
  if (hostnames.length > 0 && !hostnames.includes(answer.hostname ?? '')) return 'hostname';
  if (provider !== 'hcaptcha' && answer.action !== action) return 'action';
  if (provider === 'recaptcha' && (answer.score ?? 0) < scoreMin) return 'score';
  return undefined;
}
