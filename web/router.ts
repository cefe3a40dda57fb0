/**
 * Addresses in the page. A route is the part of the address behind `#/`; what follows a `?` are its parameters. Neither
 * reaches the server, so that the links of mails may carry tokens.
 */
import type { RouteName } from './routes.ts';

/** Returns the parameters of the current route. */
export function routeParameters(): URLSearchParams {
  return new URLSearchParams(location.hash.split('?')[1] ?? '');
}

/** Returns the address of a route, for links. */
export function addressOf(name: RouteName, parameters: Record<string, string> = {}): string {
  const query = new URLSearchParams(parameters).toString();
  return `/app#/${name}${query && `?${query}`}`;
}

/** Opens a route. `replaces` leaves the current one out of the history. */
export function open(name: RouteName, { replaces = false }: { replaces?: boolean } = {}): void {
  const address = addressOf(name);
  if (replaces) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
  dispatchEvent(new PopStateEvent('popstate'));
}
