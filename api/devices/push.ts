/** Push registrations: `PUT /devices/me/push`, `POST /devices/me/push/test` and `GET /push/config`. */
import { invalidFieldOf } from '../../adapters/http/webpush.ts';
import { executeWorkflow } from '../../adapters/temporal/client-calls.ts';
import type { Push, pushOperations } from '../../contract/devices.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { Failure } from '../../domain/failures.ts';
import type { PushProvider, PushRegistration } from '../../domain/push.ts';
import { pushTestWorkflowId } from '../../domain/workflow-ids.ts';
import { userAttributesOf } from '../../workflows/search-attributes.ts';
import { pushTest } from '../../workflows/wake-up.ts';
import type { ApiDeps } from '../deps.ts';
import { deviceKeyOf, type LimitDeps, orRefund } from '../limits/counting.ts';
import { limitPushTest } from '../limits/persons.ts';
import { malformed } from '../parse.ts';
import type { HandlerInput } from '../serve.ts';

type Ops = typeof pushOperations;
type Deps = Pick<ApiDeps, 'config' | 'devices' | 'wakeUps' | 'pushCipher' | 'pushEndpoints' | 'events'>;

/** Tells apps which push providers they may register with. */
export async function readPushConfig(
  { config }: Pick<ApiDeps, 'config'>,
  _input: HandlerInput<Ops['readPushConfig']>,
): Promise<AnswerOf<Ops['readPushConfig']>> {
  const { VAPID_PUBLIC_KEY: publicKey } = config;
  const hasWebPush = isAvailable({ config }, 'webpush') && publicKey !== undefined;
  const body = {
    webpush: hasWebPush ? { publicKey } : null,
    fcm: isAvailable({ config }, 'fcm'),
    apns: isAvailable({ config }, 'apns'),
  };
  return { status: 200, body };
}

/**
 * Sets or removes the push registration of the calling device. What was known of the previous one is forgotten.
 *
 * @throws {Failure} malformed: the provider is not available, or the registration is invalid; device-missing
 */
export async function setPush(
  deps: Deps,
  { holder: { userId, deviceId }, body }: HandlerInput<Ops['setPush']>,
): Promise<AnswerOf<Ops['setPush']>> {
  if (body.provider !== null) await requireReachable(deps, body);
  const stored = body.provider === null ? undefined : deps.pushCipher.encryptText(JSON.stringify(body));
  if (!(await deps.devices.setPush(userId, deviceId, stored))) throw new Failure('device-missing');
  await deps.wakeUps.forget({ userId, deviceId });
  deps.events.pushChanged({ userId, deviceId, provider: body.provider });
  return { status: 204 };
}

/**
 * Sends a wake-up to the calling device now, and returns what its provider answered. A dead registration is removed.
 *
 * @throws {Failure} push-missing, rate-limited, unavailable
 */
export async function testPush(
  deps: LimitDeps & Deps & Pick<ApiDeps, 'temporal'>,
  { holder: { userId, deviceId }, caller, minted: { id: testId } }: HandlerInput<Ops['testPush']>,
): Promise<AnswerOf<Ops['testPush']>> {
  const set = await deps.devices.read(userId);
  const stored = set?.devices.find((one) => one.deviceId === deviceId)?.push;
  if (stored === undefined) throw new Failure('push-missing');
  const registration = JSON.parse(deps.pushCipher.decryptText(stored)) as PushRegistration;
  const consumed = await limitPushTest(deps, caller, deviceKeyOf(deps, userId, deviceId), testId);
  const body = await orRefund(consumed, () =>
    executeWorkflow(deps, pushTest, {
      taskQueue: 'registration',
      workflowId: pushTestWorkflowId(testId),
      staticSummary: 'Test of push',
      args: [{ userId, deviceId, wakeUpId: testId, reason: 'test', stored, registration }],
      typedSearchAttributes: userAttributesOf(userId),
    }),
  );
  return { status: 200, body };
}

function isAvailable({ config }: Pick<ApiDeps, 'config'>, provider: PushProvider): boolean {
  return config.PUSH_PROVIDERS.includes(provider);
}

/** @throws {Failure} malformed */
async function requireReachable(deps: Deps, registration: Exclude<Push, { provider: null }>): Promise<void> {
  if (!isAvailable(deps, registration.provider)) {
    throw malformed('provider', 'is not available; GET /api/v1/push/config lists those that are');
  }
  if (registration.provider !== 'webpush') return;
  const invalid = invalidFieldOf(registration);
  if (invalid !== undefined) throw malformed(invalid, 'is no key of a WebPush subscription');
  const problem = await deps.pushEndpoints.problemOf(registration.endpoint);
  if (problem !== undefined) throw malformed('endpoint', problem);
}
