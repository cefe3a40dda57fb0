/**
 * The links of messages to people. A token stands in the fragment, which browsers send to no server (RFC 9110 section
 * 4.2.4), and opening a link consumes nothing: the page asks first.
 */

/** What the token of a link does. */
export type LinkUse = 'choose-password' | 'stop-recovery' | 'stop-registration';

/** The screens of the web app, relative to the public URL of the API. */
const screens = {
  'choose-password': '/app/password#',
  'stop-recovery': '/app/secure#',
  'stop-registration': '/app/stop#',
} as const satisfies Record<LinkUse, string>;

/** The fragments of a page of the operator's own. */
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
export function linkOf(use: LinkUse, token: string, { ownPage, publicUrl }: LinkPages): string {
  if (ownPage !== undefined) return `${ownPage}${fragments[use]}${token}`;
  return publicUrl === undefined ? token : `${publicUrl}${screens[use]}${token}`;
}

/** Returns the address of the web app, or undefined when the public URL of the API is not known. */
export function appLinkOf({ publicUrl }: LinkPages): string | undefined {
  return publicUrl === undefined ? undefined : `${publicUrl}/app`;
}
