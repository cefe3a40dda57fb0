/**
 * The page that shows the outbox and the active faults; it refreshes itself.
 */
import { createHash } from 'node:crypto';
import type { Fault } from './faults.ts';
import type { Answer } from './http-server.ts';
import type { Message } from './outbox.ts';

const shownMax = 200;

const style = `
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { margin: 0 auto; max-width: 70rem; padding: 1rem; }
  table { border-collapse: collapse; width: 100%; }
  th, td { border-bottom: 1px solid #8884; padding: 0.4rem 0.6rem; text-align: left; vertical-align: top; }
  td.body { overflow-wrap: anywhere; white-space: pre-wrap; }
  code { font-size: 1.2rem; font-weight: 600; }
`;

const script = `
  setInterval(async () => {
    const res = await fetch(location.href).catch(() => undefined);
    if (!res?.ok) return;
    const page = new DOMParser().parseFromString(await res.text(), 'text/html');
    document.querySelector('main').replaceWith(page.querySelector('main'));
  }, 2000);
`;

/**
 * Returns the page with the newest messages first. The text of messages is escaped, and only the page's own script may
 * run.
 */
export function renderPage(messages: readonly Message[], faults: readonly Fault[]): Answer {
  const policy = `default-src 'none'; connect-src 'self'; style-src ${hash(style)}; script-src ${hash(script)}`;
  return {
    status: 200,
    headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy },
    body: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Outbox</title>
<style>${style}</style>
</head>
<body>
<h1>Outbox</h1>
<main>
<h2>Faults</h2>
${faults.length === 0 ? '<p>None.</p>' : faultTable(faults)}
<h2>Messages</h2>
${messages.length === 0 ? '<p>None.</p>' : messageTable(messages)}
</main>
<script>${script}</script>
</body>
</html>
`,
  };
}

function faultTable(faults: readonly Fault[]): string {
  const rows = faults.map(({ channel, provider, mode, seconds, providerCode, until, held }) => [
    cell(channel),
    cell(provider ?? 'all'),
    cell(mode),
    cell(providerCode ?? ''),
    cell(until === undefined ? 'changed' : until),
    cell(mode === 'slow' || mode === 'report-delayed' ? `${seconds} s` : ''),
    cell(held === undefined ? '' : String(held)),
  ]);
  return table(['Channel', 'Provider', 'Mode', 'Code', 'Until', 'Delay of each answer or report', 'Held now'], rows);
}

function messageTable(messages: readonly Message[]): string {
  const rows = messages
    .slice(-shownMax)
    .reverse()
    .map((message) => [
      cell(message.at),
      cell(message.channel),
      cell(message.to),
      cell(message.from),
      message.code === undefined ? cell('') : `<td><code>${escapeHtml(message.code)}</code></td>`,
      `<td class="body">${escapeHtml([message.subject ?? '', message.body].join('\n').trim())}</td>`,
    ]);
  const shown = table(['At', 'Channel', 'To', 'From', 'Code', 'Message'], rows);
  return messages.length > shownMax ? `<p>The newest ${shownMax} of ${messages.length}.</p>${shown}` : shown;
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = heads.map((text) => `<th scope="col">${text}</th>`).join('');
  const body = rows.map((cells) => `<tr>${cells.join('')}</tr>`).join('\n');
  return `<table>\n<thead><tr>${head}</tr></thead>\n<tbody>\n${body}\n</tbody>\n</table>`;
}

function cell(text: string): string {
  return `<td>${escapeHtml(text)}</td>`;
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

function hash(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
