/**
 * Addresses in the page. A route is the part of the address behind `#/`; what follows a `?` are its parameters. Neither
 * reaches the server, so that the links of mails may carry tokens.
 */
import type { RouteName } from './routes.ts';

/** An address of the page. */
export type Address = Pick<Location, 'hash' | 'pathname'>;

/** The addresses in messages to owners end in `#<name>=<token>`. */
const messageLinks: Record<string, string> = {
  token: '/recover?token=',
  stop: '/not-me?stop=recovery&token=',
  'stop-registration': '/not-me?stop=registration&token=',
};

/** Returns the name and the parameters of an address, whether there is such a route or not. */
export function readAddress({ hash, pathname }: Address): { name: string; parameters: URLSearchParams } {
  // the fragment of a QR code is read only by the screen that scans it
  if (pathname === '/app/link') return { name: 'link-opened', parameters: new URLSearchParams() };
  const route = hash.slice(1).replace(/^([\w-]+)=/, (whole, name) => messageLinks[name] ?? whole);
  const [path = '', query = ''] = route.split('?');
  return { name: path.slice(1), parameters: new URLSearchParams(query) };
}

/** Returns the parameters of the current route. */
export function routeParameters(): URLSearchParams {
  return readAddress(location).parameters;
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
