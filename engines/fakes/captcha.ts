/**
 * Fakes of the verify calls of hCaptcha (https://docs.hcaptcha.com/#verify-the-user-response-server-side),
 * Cloudflare Turnstile (https://developers.cloudflare.com/turnstile/get-started/server-side-validation/) and
 * reCAPTCHA v3 (https://developers.google.com/recaptcha/docs/verify). Tokens come from `POST /captcha/tokens`.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { type CaptchaProvider, captchaProviders, type Fault, type Faults } from './faults.ts';
import { type Answer, type Call, json, type Route, readForm, readJson } from './http-server.ts';

/** Paths of the verify calls on the fakes' server, the same as the vendors'. */
export const captchaPaths: Record<CaptchaProvider, string> = {
  hcaptcha: '/siteverify',
  turnstile: '/turnstile/v0/siteverify',
  recaptcha: '/recaptcha/api/siteverify',
};

/** Lifetime of a token in seconds, as each vendor documents it. */
const lifeSeconds: Record<CaptchaProvider, number> = { hcaptcha: 120, turnstile: 300, recaptcha: 120 };

const common = {
  hostname: z.string().min(1).default('localhost'),
  /** Seconds since the challenge was solved. */
  ageSeconds: z.number().min(0).max(86_400).default(0),
};
const action = z.string().max(100);

const tokenSchema = z.discriminatedUnion('provider', [
  z.strictObject({ provider: z.literal('hcaptcha'), ...common }),
  z.strictObject({
    provider: z.literal('turnstile'),
    action: action.default(''),
    cdata: z.string().max(255).default(''),
    ...common,
  }),
  z.strictObject({
    provider: z.literal('recaptcha'),
    action: action.default('register'),
    score: z.number().min(0).max(1).default(0.9),
    ...common,
  }),
]);

interface Token {
  solved: z.output<typeof tokenSchema>;
  solvedAt: number;
  /** Set after the first verification; Turnstile repeats the answer for the same idempotency key. */
  verified?: { idempotencyKey: string | null };
}

/** Creates the routes that issue tokens and verify each once, for callers that know the secret. */
export function createCaptchaRoutes(secret: string, faults: Faults): Route[] {
  const tokens = new Map<string, Token>();

  const verifications = captchaProviders.map((provider) => ({
    method: 'POST',
    path: new RegExp(`^${captchaPaths[provider]}$`),
    answer: async (call: Call) => {
      const fault = faults.find('captcha', provider);
      const broken = brokenAnswer(fault);
      if (broken !== undefined) return broken;
      const answer = json(200, verify(tokens, provider, { secret, form: readForm(call) }));
      await faults.delay(fault, call.signal);
      return fault?.mode === 'accept-then-drop' ? 'drop' : answer;
    },
  }));
  return [
    {
      method: 'POST',
      path: /^\/captcha\/tokens$/,
      answer: (call) => {
        const solved = readJson(call, tokenSchema);
        const token = `${solved.provider}-${randomBytes(24).toString('base64url')}`;
        tokens.set(token, { solved, solvedAt: Date.now() - solved.ageSeconds * 1000 });
        return json(201, { token });
      },
    },
    ...verifications,
  ];
}

function brokenAnswer(fault: Fault | undefined): Answer | undefined {
  switch (fault?.mode) {
    case 'error500':
      return { status: 500, headers: { 'content-type': 'text/plain' }, body: 'Internal Server Error' };
    case 'error400':
      return json(400, { success: false, 'error-codes': [fault.providerCode ?? 'bad-request'] });
    case 'html':
      return {
        status: 200,
        headers: { 'content-type': 'text/html' },
        body: '<!doctype html><title>Maintenance</title>',
      };
    case 'empty':
      return { status: 200, body: '' };
    default:
      return undefined;
  }
}

interface Verification {
  secret: string;
  form: URLSearchParams;
}

function verify(tokens: Map<string, Token>, provider: CaptchaProvider, { secret, form }: Verification): object {
  const given = form.get('secret');
  const response = form.get('response');
  if (!given) return refusal('missing-input-secret');
  if (given !== secret) return refusal('invalid-input-secret');
  if (!response) return refusal('missing-input-response');
  const token = tokens.get(response);
  if (token?.solved.provider !== provider) return refusal('invalid-input-response');
  const idempotencyKey = provider === 'turnstile' ? form.get('idempotency_key') : null;
  if (isUsed(token, idempotencyKey)) {
    return refusal(provider === 'hcaptcha' ? 'already-seen-response' : 'timeout-or-duplicate');
  }
  if (Date.now() - token.solvedAt > lifeSeconds[provider] * 1000) {
    return refusal(provider === 'hcaptcha' ? 'expired-input-response' : 'timeout-or-duplicate');
  }
  token.verified = { idempotencyKey };
  return success(token);
}

function isUsed({ verified }: Token, idempotencyKey: string | null): boolean {
  if (verified === undefined) return false;
  return idempotencyKey === null || verified.idempotencyKey !== idempotencyKey;
}

function refusal(code: string): object {
  return { success: false, 'error-codes': [code] };
}

function success({ solved, solvedAt }: Token): object {
  const { ageSeconds: _, provider, ...shown } = solved;
  const answer = { success: true, challenge_ts: new Date(solvedAt).toISOString(), ...shown };
  return provider === 'turnstile' ? { ...answer, 'error-codes': [] } : answer;
}
