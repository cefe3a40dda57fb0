/**
 * The links of messages to people. A token stands in the fragment, which browsers send to no server (RFC 9110 section
 * 4.2.4), and opening a link consumes nothing: the page asks first.
 */

/** What the token of a link does. */
export type LinkUse = 'choose-password' | 'stop-recovery' | 'stop-registration';

/** The fragments, which the web app and a page of the operator's own understand. */
const fragments = {
  'choose-password': '#token=',
  'stop-recovery': '#stop=',
  'stop-registration': '#stop-registration=',
} as const satisfies Record<LinkUse, string>;

/** The pages of links, as configured. */
export interface LinkPages {
  /** The one page of the operator for all links. */
  ownPage?: string | undefined;
  /** The public URL of the API, which serves the web app. */
  publicUrl?: string | undefined;
}

/** Returns the link of a token: to the page of the operator, else into the web app. Without both, the bare token. */
export function linkOf(use: LinkUse, token: string, pages: LinkPages): string {
  const page = pages.ownPage ?? appLinkOf(pages);
  return page === undefined ? token : `${page}${fragments[use]}${token}`;
}

/** Returns the address of the web app, or undefined when the public URL of the API is not known. */
export function appLinkOf({ publicUrl }: LinkPages): string | undefined {
  return publicUrl === undefined ? undefined : `${publicUrl}/app`;
}
