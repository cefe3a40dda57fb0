/** The screens of the page. */

/** A screen that the page can show. */
interface Route {
  /** Defines the custom element `vyry-<name>`. */
  load: () => Promise<unknown>;
  /** Who may open it: `out` only without a session, `in` only with one, `any` everybody. */
  access: 'out' | 'in' | 'any';
}

/** The names of the routes; each is the end of an address and of an element's name. */
export type RouteName = 'sign-in';

/** The routes by their names. */
export const routes: Record<RouteName, Route> = {
  'sign-in': { load: () => import('./screens/sign-in.ts'), access: 'out' },
};

/** Returns the route of an address, or undefined for one that there is not. */
export function routeOf({ hash }: Pick<Location, 'hash'>): RouteName | undefined {
  const name = /^#\/([\w-]+)/.exec(hash)?.[1] ?? '';
  return Object.hasOwn(routes, name) ? (name as RouteName) : undefined;
}

/** Returns whether a person with a session (`in`) or without one (`out`) may open a route. */
export function isOpenTo(name: RouteName, side: 'in' | 'out'): boolean {
  const { access } = routes[name];
  return access === 'any' || access === side;
}
