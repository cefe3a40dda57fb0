/** The screens of the page. */
import { type Address, readAddress } from './router.ts';

/** Who may open a screen: `out` only without a session, `in` only with one, `any` everybody. */
type Access = 'out' | 'in' | 'any';

const routes = {
  'sign-in': 'out',
  register: 'out',
  recover: 'any',
  'not-me': 'any',
  'link-opened': 'any',
  account: 'in',
  password: 'in',
  data: 'in',
  sessions: 'in',
  security: 'in',
  link: 'any',
  chats: 'in',
  chat: 'in',
  safety: 'in',
  people: 'in',
  devices: 'in',
  'link-device': 'in',
} as const satisfies Record<string, Access>;

/** The names of the routes; each is the end of an address and of an element's name. */
export type RouteName = keyof typeof routes;

/** Returns the route of an address, or undefined for one that there is not. */
export function routeOf(address: Address): RouteName | undefined {
  const { name } = readAddress(address);
  return Object.hasOwn(routes, name) ? (name as RouteName) : undefined;
}

/** Returns whether a person with a session (`in`) or without one (`out`) may open a route. */
export function isOpenTo(name: RouteName, side: 'in' | 'out'): boolean {
  const access: Access = routes[name];
  return access === 'any' || access === side;
}
