/**
 * WebPush in a Chromium that has no push service of its own. What is not real is the way between the browser and the push
 * service: the subscription is made at the fake service (engines/fakes/webpush.ts), and what the fake has decrypted is
 * delivered by the DevTools protocol. Real are the permission, the service worker and its notification, and on the other
 * side the api, the delivery, its encryption and its VAPID signature, which the fake checks.
 */
import type { BrowserContext, Page, Worker } from 'playwright-core';

/** What the page sends to its server. */
interface FakeSubscription {
  endpoint: string;
  p256dh: string;
  auth: string;
}

/** Makes the pages of a profile subscribe at the fake. It resolves with the endpoints that were given out, as they come. */
export async function subscribeAtFake(context: BrowserContext, outboxUrl: string): Promise<FakeSubscription[]> {
  const made: FakeSubscription[] = [];
  await context.exposeFunction('subscribeAtFake', async (applicationServerKey: string) => {
    const body = JSON.stringify({ applicationServerKey });
    const response = await fetch(`${outboxUrl}/push/subscriptions`, { method: 'POST', body });
    const subscription = (await response.json()) as FakeSubscription;
    made.push(subscription);
    return subscription;
  });
  await context.addInitScript(replaceSubscriptions);
  return made;
}

/** Runs in the page, before its scripts. */
function replaceSubscriptions(): void {
  const { subscribeAtFake: subscribe } = globalThis as unknown as {
    subscribeAtFake(key: string): Promise<FakeSubscription>;
  };
  let current: object | null = null;
  const replaced = {
    async subscribe({ applicationServerKey }: { applicationServerKey: string }) {
      const { endpoint, p256dh, auth } = await subscribe(applicationServerKey);
      const toJSON = () => ({ endpoint, keys: { p256dh, auth } });
      const unsubscribe = async () => {
        current = null;
        return true;
      };
      current = { endpoint, toJSON, unsubscribe };
      return current;
    },
    getSubscription: async () => current,
  };
  Object.assign(PushManager.prototype, replaced);
}

/** Delivers a message to the service worker of an origin, as the push service of a browser does. */
export async function deliverPush(page: Page, { origin, data }: { origin: string; data: string }): Promise<void> {
  const session = await page.context().newCDPSession(page);
  const found = Promise.withResolvers<string>();
  session.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
    const registration = registrations.find(({ scopeURL }) => scopeURL.startsWith(origin));
    if (registration) found.resolve(registration.registrationId);
  });
  await session.send('ServiceWorker.enable');
  const registrationId = await found.promise;
  await session.send('ServiceWorker.deliverPushMessage', { origin, registrationId, data });
  await session.detach();
}

/** Returns the titles of the notifications that a service worker shows. */
export async function notificationsOf(worker: Worker): Promise<string[]> {
  return await worker.evaluate(async () => {
    const { registration } = globalThis as unknown as { registration: ServiceWorkerRegistration };
    return (await registration.getNotifications()).map(({ title }) => title);
  });
}
