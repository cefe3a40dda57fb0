/**
 * Wake-ups by Firebase Cloud Messaging, HTTP v1.
 * https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send
 *
 * A service account signs an assertion (RFC 7523) for an access token, which all workers share. A repeat replaces a
 * wake-up that was not delivered yet.
 */
import { importPKCS8, SignJWT } from 'jose';
import { z } from 'zod';
import type { SendOutcome } from '../../domain/providers.ts';
import {
  providerText,
  temporaryAnswer,
  tokenDead,
  type WakeUp,
  wakeUpContent,
  wakeUpSeconds,
} from '../../domain/push.ts';
import type { Secret } from '../../platform/config/secret.ts';
import { callJson, type HttpAnswer, outageOf } from './json.ts';

const scope = 'https://www.googleapis.com/auth/firebase.messaging';
const grant = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const collapseKey = 'wake-up';
/** A shared token is replaced this long before it expires. */
const reserveSeconds = 300;

/** The part of the key file of a service account that is used. */
const ServiceAccount = z.object({
  project_id: z.string().regex(/^[a-z\d.:-]{1,100}$/),
  client_email: z.string(),
  private_key: z.string(),
  token_uri: z.url().default('https://oauth2.googleapis.com/token'),
});
type ServiceAccount = z.output<typeof ServiceAccount>;

const AccessToken = z.object({ access_token: z.string(), expires_in: z.number() });
type AccessToken = z.output<typeof AccessToken>;
const Sent = z.object({ name: z.string() });
const Problem = z.object({
  error: z.object({
    message: z.string().default(''),
    details: z
      .array(
        z.object({
          errorCode: z.string().optional(),
          fieldViolations: z.array(z.object({ field: z.string().optional() })).optional(),
        }),
      )
      .default([]),
  }),
});

/** A token that all workers share. */
export interface SharedToken {
  read(): Promise<string | undefined>;
  /** Shares a token for some seconds, unless another one is shared already. Returns the shared one. */
  share(token: string, seconds: number): Promise<string>;
  /** Removes a token that is not accepted any more. */
  forget(token: string): Promise<void>;
}

/** The options of `createFcm`. */
export interface FcmOptions {
  /** The key file of a service account that may send: JSON. */
  account: ServiceAccount;
  baseUrl?: string | undefined;
  accessToken: SharedToken;
  /** Timeout of a request; default 10 s. */
  timeoutMs?: number | undefined;
}

/** Reads the key file of a service account. @throws {Error} it is not one; the message quotes nothing of it */
export function readServiceAccount(file: Secret): ServiceAccount {
  const read = z
    .preprocess((text, check) => {
      try {
        return JSON.parse(String(text));
      } catch {
        check.addIssue('not JSON');
        return z.NEVER;
      }
    }, ServiceAccount)
    .safeParse(file.reveal());
  if (read.success) return read.data;
  throw new Error(
    'Bad configuration of delivery:\n  FCM_SERVICE_ACCOUNT must be the key file of a service account, JSON',
  );
}

/** Creates the sender. It makes no request until it is used. */
export function createFcm({ account, baseUrl = 'https://fcm.googleapis.com', accessToken, timeoutMs }: FcmOptions) {
  const url = `${baseUrl.replace(/\/$/, '')}/v1/projects/${account.project_id}/messages:send`;
  const tokenFor = async () =>
    (await accessToken.read()) ?? (await shareToken(accessToken, await requestToken({ account, timeoutMs })));
  return {
    /** Sends a wake-up. @throws {Failure} unavailable */
    async send({ registration, isUrgent }: WakeUp): Promise<SendOutcome> {
      if (registration.provider !== 'fcm') throw new Error(`Not a registration of FCM: ${registration.provider}`);
      const token = await tokenFor();
      const answer = await callJson({
        provider: 'fcm',
        method: 'POST',
        url,
        headers: { Authorization: `Bearer ${token}` },
        timeoutMs,
        body: {
          message: {
            token: registration.token,
            data: wakeUpContent,
            android: {
              priority: isUrgent ? 'HIGH' : 'NORMAL',
              collapse_key: collapseKey,
              ttl: `${wakeUpSeconds}s`,
            },
          },
        },
      });
      if (answer.status === 401) await accessToken.forget(token);
      return outcomeOf(answer);
    },

    /** Checks that Google accepts the service account. @throws {Failure} unavailable */
    async ping(): Promise<void> {
      await requestToken({ account, timeoutMs });
    },
  };
}

/** Requests an access token (RFC 7523 section 2.1). @throws {Failure} unavailable */
async function requestToken({ account, timeoutMs }: Pick<FcmOptions, 'account' | 'timeoutMs'>): Promise<AccessToken> {
  const assertion = await new SignJWT({ scope })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
    .setIssuer(account.client_email)
    .setAudience(account.token_uri)
    .setIssuedAt()
    .setExpirationTime('10m')
    .sign(await importPKCS8(account.private_key, 'RS256'));
  const answer = await callJson({
    provider: 'fcm',
    method: 'POST',
    url: account.token_uri,
    headers: {},
    timeoutMs,
    form: new URLSearchParams({ grant_type: grant, assertion }),
  });
  const granted = AccessToken.safeParse(answer.body).data;
  if (answer.status === 200 && granted !== undefined) return granted;
  // Google answers 400 for an account or a key that it does not accept
  throw outageOf('fcm', answer.status === 400 ? { ...answer, status: 401 } : answer);
}

function shareToken(shared: SharedToken, { access_token, expires_in }: AccessToken): Promise<string> {
  return shared.share(access_token, Math.max(1, expires_in - reserveSeconds));
}

/** @throws {Failure} unavailable: a temporary answer, or one about the account, which an operator can fix */
function outcomeOf({ status, headers, body }: HttpAnswer): SendOutcome {
  const sent = Sent.safeParse(body).data;
  if (status === 200 && sent !== undefined) {
    return { result: 'sent', providerId: sent.name, answer: { status, message: null } };
  }
  const problem = Problem.safeParse(body).data?.error ?? { message: '', details: [] };
  const code = problem.details.find(({ errorCode }) => errorCode !== undefined)?.errorCode ?? '';
  const answer = { status, message: providerText(`${code} ${problem.message}`) };
  const reason = refusalOf(status, code, problem);
  if (reason !== undefined) return { result: 'refused', reason, answer };
  const retryAfter = headers.get('retry-after') ?? undefined;
  throw temporaryAnswer(`fcm ${status}`, answer, { retryAfter, now: Date.now() });
}

/**
 * Returns why FCM refused a wake-up for good; undefined for other answers. An invalid argument is the token or another part
 * of the request. https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
 */
function refusalOf(
  status: number,
  code: string,
  { message, details }: z.output<typeof Problem>['error'],
): string | undefined {
  if (code === 'UNREGISTERED') return tokenDead;
  // after a change of the service account, which an operator can undo
  if (code === 'SENDER_ID_MISMATCH') return 'other-project';
  if (status !== 400) return undefined;
  const fields = details.flatMap(({ fieldViolations = [] }) => fieldViolations.map(({ field }) => field));
  const isToken = fields.length > 0 ? fields.includes('message.token') : /registration token/i.test(message);
  return isToken ? tokenDead : 'request-refused';
}
