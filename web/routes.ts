/** The screens of the page. */
import { type Address, readAddress } from './router.ts';

/** A screen that the page can show. */
interface Route {
  /** Defines the custom element `vyry-<name>`. */
  load: () => Promise<unknown>;
  /** Who may open it: `out` only without a session, `in` only with one, `any` everybody. */
  access: 'out' | 'in' | 'any';
}

/** The names of the routes; each is the end of an address and of an element's name. */
export type RouteName =
  | 'sign-in'
  | 'register'
  | 'recover'
  | 'not-me'
  | 'link'
  | 'link-opened'
  | 'chats'
  | 'chat'
  | 'safety'
  | 'people'
  | 'devices'
  | 'link-device'
  | 'account'
  | 'password'
  | 'data'
  | 'sessions'
  | 'security';

/** The routes by their names. */
export const routes: Record<RouteName, Route> = {
  'sign-in': { load: () => import('./screens/sign-in.ts'), access: 'out' },
  register: { load: () => import('./screens/register.ts'), access: 'out' },
  recover: { load: () => import('./screens/recover.ts'), access: 'any' },
  'not-me': { load: () => import('./screens/not-me.ts'), access: 'any' },
  'link-opened': { load: () => import('./screens/link-opened.ts'), access: 'any' },
  account: { load: () => import('./screens/account.ts'), access: 'in' },
  password: { load: () => import('./screens/password.ts'), access: 'in' },
  data: { load: () => import('./screens/data.ts'), access: 'in' },
  sessions: { load: () => import('./screens/sessions.ts'), access: 'in' },
  security: { load: () => import('./screens/security.ts'), access: 'in' },
  link: { load: () => import('./screens/link.ts'), access: 'any' },
  chats: { load: () => import('./screens/chats.ts'), access: 'in' },
  chat: { load: () => import('./screens/chat.ts'), access: 'in' },
  safety: { load: () => import('./screens/safety.ts'), access: 'in' },
  people: { load: () => import('./screens/people.ts'), access: 'in' },
  devices: { load: () => import('./screens/devices.ts'), access: 'in' },
  'link-device': { load: () => import('./screens/link-device.ts'), access: 'in' },
};

/** Returns the route of an address, or undefined for one that there is not. */
export function routeOf(address: Address): RouteName | undefined {
  const { name } = readAddress(address);
  return Object.hasOwn(routes, name) ? (name as RouteName) : undefined;
}

/** Returns whether a person with a session (`in`) or without one (`out`) may open a route. */
export function isOpenTo(name: RouteName, side: 'in' | 'out'): boolean {
  const { access } = routes[name];
  return access === 'any' || access === side;
}
