/** Wakes up for WebPush. It caches nothing and answers no request: the page always comes from the server. */
interface Wake extends Event {
  waitUntil(work: Promise<unknown>): void;
  readonly notification?: Notification;
}

interface WindowClientOfPage {
  readonly visibilityState: DocumentVisibilityState;
  focus(): Promise<unknown>;
}

/** The part of ServiceWorkerGlobalScope that is used; its library cannot be loaded beside that of pages. */
declare const self: {
  readonly registration: ServiceWorkerRegistration;
  readonly clients: {
    matchAll(options: { type: 'window'; includeUncontrolled: true }): Promise<WindowClientOfPage[]>;
    openWindow(url: string): Promise<unknown>;
  };
  addEventListener(type: 'push' | 'notificationclick', listener: (event: Wake) => void): void;
};

const pages = () => self.clients.matchAll({ type: 'window', includeUncontrolled: true });

/** A push says only that there is something new; browsers demand that it is shown (userVisibleOnly). */
async function announce(): Promise<void> {
  if ((await pages()).some(({ visibilityState }) => visibilityState === 'visible')) return;
  await self.registration.showNotification('Vyry', { tag: 'vyry', icon: '/app/icon-192.png' });
}

async function openPage(): Promise<void> {
  const [page] = await pages();
  await (page?.focus() ?? self.clients.openWindow('/app'));
}

self.addEventListener('push', (event) => event.waitUntil(announce()));
self.addEventListener('notificationclick', (event) => {
  event.notification?.close();
  event.waitUntil(openPage());
});
