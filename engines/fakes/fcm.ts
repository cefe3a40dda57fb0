/**
 * The fake of Firebase Cloud Messaging, HTTP v1, and of the token endpoint of its service account.
 * https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
 */
import { createPublicKey, randomUUID } from 'node:crypto';
import { jwtVerify } from 'jose';
import { z } from 'zod';
import type { Faults } from './faults.ts';
import { answerUnderFault, type Service } from './http-providers.ts';
import { type Answer, type Call, json, type Route, readForm, readJson } from './http-server.ts';
import type { Outbox } from './outbox.ts';
import { fcmKey } from './push-keys.ts';
import { pushPauseSeconds } from './webpush.ts';

const project = 'vyry-demo';
const email = 'example-only@vyry-demo.iam.gserviceaccount.com';
const tokenPath = '/oauth2/token';

/** Returns the key file of the service account that the fake at an address accepts. */
export function fcmServiceAccount(outboxUrl: string): string {
  const file = { type: 'service_account', project_id: project, client_email: email, private_key: fcmKey };
  return JSON.stringify({ ...file, token_uri: `${outboxUrl}${tokenPath}` });
}

const Message = z.looseObject({
  message: z.looseObject({
    token: z.string().min(1),
    data: z.record(z.string(), z.string()),
    android: z.looseObject({ priority: z.enum(['HIGH', 'NORMAL']), ttl: z.string().regex(/^\d+s$/) }),
  }),
});

/** Statuses and further details of errors, by the code that a fault names. */
const errors: Record<string, { status: number; code: string; field?: string }> = {
  UNREGISTERED: { status: 404, code: 'UNREGISTERED' },
  INVALID_TOKEN: { status: 400, code: 'INVALID_ARGUMENT', field: 'message.token' },
  INVALID_ARGUMENT: { status: 400, code: 'INVALID_ARGUMENT', field: 'message.android.ttl' },
  SENDER_ID_MISMATCH: { status: 403, code: 'SENDER_ID_MISMATCH' },
  QUOTA_EXCEEDED: { status: 429, code: 'QUOTA_EXCEEDED' },
  UNAVAILABLE: { status: 503, code: 'UNAVAILABLE' },
};

/** Creates the routes of the fake. */
export function createFcmRoutes({ outbox, faults }: { outbox: Outbox; faults: Faults }): Route[] {
  const accessTokens = new Set<string>();
  const service: Service = {
    channel: 'push',
    provider: 'fcm',
    take(call) {
      const [, token = ''] = /^Bearer (.+)$/.exec(call.headers.authorization ?? '') ?? [];
      if (!accessTokens.has(token))
        return json(401, { error: { code: 401, status: 'UNAUTHENTICATED', message: 'No token' } });
      const { message } = readJson(call, Message);
      const body = JSON.stringify(message.data);
      const { id } = outbox.add({ channel: 'push', to: message.token, from: project, body, provider: 'fcm' });
      return json(200, { name: `projects/${project}/messages/${id}` });
    },
    refuse: ({ providerCode = 'UNREGISTERED' }) => errorOf(providerCode),
  };
  return [
    { method: 'POST', path: /^\/oauth2\/token$/, answer: (call) => answerToken(call, accessTokens) },
    {
      method: 'POST',
      path: new RegExp(`^/v1/projects/${project}/messages:send$`),
      answer: (call) => answerUnderFault(faults, service, call),
    },
  ];
}

/** Answers a request for an access token (RFC 7523 section 2.1). */
async function answerToken(call: Call, accessTokens: Set<string>): Promise<Answer> {
  const form = readForm(call);
  const isGrant = form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer';
  const audience = `http://${call.headers.host}${tokenPath}`;
  try {
    if (!isGrant) throw new Error('unsupported_grant_type');
    const requiredClaims = ['exp', 'iat', 'scope'];
    const expected = { issuer: email, audience, algorithms: ['RS256'], requiredClaims };
    await jwtVerify(form.get('assertion') ?? '', createPublicKey(fcmKey), expected);
  } catch (err) {
    return json(400, { error: 'invalid_grant', error_description: String(err) });
  }
  const access_token = randomUUID();
  accessTokens.add(access_token);
  return json(200, { access_token, expires_in: 3599, token_type: 'Bearer' });
}

function errorOf(name: string): Answer {
  const { status, code, field } = errors[name] ?? { status: 400, code: 'INVALID_ARGUMENT' };
  const details = [
    { '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode: code },
    ...(field === undefined
      ? []
      : [
          {
            '@type': 'type.googleapis.com/google.rpc.BadRequest',
            fieldViolations: [{ field, description: 'Invalid value' }],
          },
        ]),
  ];
  const headers: Record<string, string> =
    status === 429 || status === 503 ? { 'retry-after': String(pushPauseSeconds) } : {};
  return json(status, { error: { code: status, message: 'Told to refuse', status: code, details } }, headers);
}
