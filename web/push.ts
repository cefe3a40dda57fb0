/** Notifications by WebPush: the subscription of this browser, which the server gets. */
import { VyryError } from '../client/errors.ts';
import type { Vyry } from '../client/vyry.ts';
import { workerUrl } from './workers.ts';

/** The scope of the worker: the page. */
const scope = '/app';

/** Whether this browser can be notified. */
export type PushState = 'on' | 'off' | 'refused' | 'unsupported';

/** Returns whether notifications are on in this browser. */
export async function readPushState(): Promise<PushState> {
  if (!('serviceWorker' in navigator) || !('PushManager' in globalThis)) return 'unsupported';
  if (Notification.permission === 'denied') return 'refused';
  const registration = await navigator.serviceWorker.getRegistration(scope);
  return (await registration?.pushManager.getSubscription()) ? 'on' : 'off';
}

/**
 * Asks the person for permission, subscribes, and gives the subscription to the server. Returns the state then.
 *
 * @throws {VyryError} NOT_FOUND: the server has no WebPush
 */
export async function turnPushOn({ calls }: Pick<Vyry, 'calls'>): Promise<PushState> {
  const { webpush } = await calls.readPushConfig();
  if (webpush === null) throw new VyryError('NOT_FOUND', 'The server sends no WebPush');
  if ((await Notification.requestPermission()) !== 'granted') return await readPushState();
  const registration = await registerWorker();
  const options = { userVisibleOnly: true, applicationServerKey: webpush.publicKey };
  const subscription = await registration.pushManager.subscribe(options).catch(async (err) => {
    // one with another key of the server is in its place (VAPID_PRIVATE_KEY was changed)
    const former = await registration.pushManager.getSubscription();
    if (former === null) throw err;
    await former.unsubscribe();
    return await registration.pushManager.subscribe(options);
  });
  await keepSubscription(calls, subscription);
  return 'on';
}

/** Ends the notifications of this device. */
export async function turnPushOff({ calls }: Pick<Vyry, 'calls'>): Promise<PushState> {
  await calls.setPush({ body: { provider: null } });
  const registration = await navigator.serviceWorker.getRegistration(scope);
  await (await registration?.pushManager.getSubscription())?.unsubscribe();
  return 'off';
}

/** Gives the server the subscription that there is: the browser may have replaced it since the last start. */
export async function renewPush({ calls }: Pick<Vyry, 'calls'>): Promise<void> {
  if ((await readPushState()) !== 'on') return;
  const registration = await registerWorker();
  const subscription = await registration.pushManager.getSubscription();
  if (subscription) await keepSubscription(calls, subscription);
}

async function registerWorker(): Promise<ServiceWorkerRegistration> {
  const registration = await navigator.serviceWorker.register(workerUrl('service-worker.js'), { scope });
  const worker = registration.active ?? registration.waiting ?? registration.installing;
  while (worker && worker.state !== 'activated')
    await new Promise((resolve) => worker.addEventListener('statechange', resolve, { once: true }));
  return registration;
}

async function keepSubscription(calls: Vyry['calls'], subscription: PushSubscription): Promise<void> {
  const { endpoint, keys: { p256dh = '', auth = '' } = {} } = subscription.toJSON();
  await calls.setPush({ body: { provider: 'webpush', endpoint: endpoint ?? '', p256dh, auth } });
}
