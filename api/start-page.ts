/** The page at `/` for developers, who find everything that runs from there. */
import { escapeHtml } from '../platform/html.ts';

/** The page has no script; a link opens another page. */
export const startPagePolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Returns the page: the web app and the documentation of the API, then the links of `START_PAGE_LINKS`. */
export function startPage(links: readonly { name: string; url: string }[]): string {
  const all = [{ name: 'Web app', url: '/app' }, { name: 'API documentation', url: '/docs' }, ...links];
  const items = all.map(({ name, url }) => `<li><a href="${escapeHtml(url)}">${escapeHtml(name)}</a></li>`);
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>Vyry</title></head><body><main>
<h1>Vyry</h1>
<ul>
${items.join('\n')}
</ul>
</main></body></html>
`;
}
