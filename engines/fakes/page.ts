/**
 * The page that shows the outbox and the active faults, and sets faults; it refreshes itself.
 */
import { createHash } from 'node:crypto';
import { escapeHtml } from '../../platform/html.ts';
import { type Fault, faultChoices } from './faults.ts';
import type { Answer } from './http-server.ts';
import type { Message } from './outbox.ts';

const shownMax = 200;

const style = `
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { margin: 0 auto; max-width: 70rem; padding: 1rem; }
  table { border-collapse: collapse; width: 100%; }
  th, td { border-bottom: 1px solid #8884; padding: 0.4rem 0.6rem; text-align: left; vertical-align: top; }
  td.body { overflow-wrap: anywhere; white-space: pre-wrap; }
  td code { font-size: 1.2rem; font-weight: 600; }
  form { align-items: end; display: flex; flex-wrap: wrap; gap: 0.6rem; }
  label { display: grid; }
  input, select, button { font: inherit; }
`;

const script = `
  const form = document.querySelector('form');
  async function setFault(fault) {
    const res = await fetch('/faults', { method: 'PUT', body: JSON.stringify(fault) }).catch((err) => err);
    const answer = res.ok ? undefined : await res.json?.().catch(() => undefined);
    document.querySelector('output').value = res.ok ? '' : (answer?.message ?? 'The outbox does not answer');
    await refresh();
  }
  function offerModes() {
    const modes = form.target.selectedOptions[0].dataset.modes.split(' ');
    for (const option of form.mode.options) option.hidden = option.disabled = !modes.includes(option.value);
    if (form.mode.selectedOptions[0]?.disabled !== false) form.mode.value = modes[0];
  }
  form.target.addEventListener('change', offerModes);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const [channel, provider] = form.target.value.split('/');
    const { mode, seconds, providerCode } = form;
    setFault({
      channel,
      mode: mode.value,
      ...(provider && { provider }),
      ...(seconds.value && { seconds: Number(seconds.value) }),
      ...(providerCode.value && { providerCode: providerCode.value }),
    });
  });
  document.addEventListener('click', ({ target }) => {
    const { channel, provider } = target.dataset;
    if (channel) setFault({ channel, mode: 'none', ...(provider && { provider }) });
  });
  offerModes();
  async function refresh() {
    const res = await fetch(location.href).catch(() => undefined);
    if (!res?.ok) return;
    const page = new DOMParser().parseFromString(await res.text(), 'text/html');
    document.querySelector('main').replaceWith(page.querySelector('main'));
  }
  setInterval(refresh, 2000);
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
${faultForm()}
<main>
<h2>Active faults</h2>
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

/** The switches of `PUT /faults`. The script offers the modes that the chosen provider supports. */
function faultForm(): string {
  const groups = faultChoices.map(({ channel, providers, modes }) => {
    const option = (value: string, text: string) =>
      `<option value="${value}" data-modes="${modes.join(' ')}">${text}</option>`;
    const each = providers.map((provider) => option(`${channel}/${provider}`, provider));
    return `<optgroup label="${channel}">${[option(channel, `${channel}: all`), ...each].join('')}</optgroup>`;
  });
  const modes = [...new Set(faultChoices.flatMap((choice) => choice.modes))].map((mode) => `<option>${mode}</option>`);
  return `<h2>Make a provider fail</h2>
<form>
<label>Provider <select name="target">${groups.join('')}</select></label>
<label>Mode <select name="mode">${modes.join('')}</select></label>
<label>Seconds <input name="seconds" type="number" min="1" max="86400"></label>
<label>Code of the provider <input name="providerCode" size="12"></label>
<button>Set</button> <output role="alert"></output>
</form>
<p>The same by <code>PUT /faults</code>: docs/messages.md says what each mode does.</p>`;
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
    `<td><button data-channel="${channel}" data-provider="${provider ?? ''}">Clear</button></td>`,
  ]);
  return table(
    ['Channel', 'Provider', 'Mode', 'Code', 'Until', 'Delay of each answer or report', 'Held now', ''],
    rows,
  );
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

function hash(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
