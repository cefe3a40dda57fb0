/** The entries of a conversation on the screen. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { Contact } from './history.ts';
import { nameOf } from './people.ts';
import { addressOf } from './router.ts';
import { fill, formatTime, language, texts } from './texts.ts';
import type { Day, Entry, OwnEntry } from './timeline.ts';

/** What can be done with an entry. */
interface EntryActions {
  sendAgain(id: string, text: string): void;
}

/** Shows a day with its entries. */
export function dayView({ at, entries }: Day, contact: Contact, actions: EntryActions): TemplateResult {
  const day = new Intl.DateTimeFormat(language(), { dateStyle: 'full' }).format(at);
  return html`<h2 class="day">${day}</h2>
    <ol class="entries">${entries.map((entry) => html`<li class=${entry.kind}>${entryView(entry, contact, actions)}</li>`)}</ol>`;
}

function entryView(entry: Entry, contact: Contact, actions: EntryActions): TemplateResult {
  const { chat } = texts();
  switch (entry.kind) {
    case 'received':
      return html`<span class="hidden">${nameOf(contact)}:</span>
        ${textView(entry.text)}
        <p class="quiet">${timeView(entry.at)}</p>`;
    case 'own':
      return html`<span class="hidden">${chat.you}:</span>
        ${textView(entry.text)}
        <p class="quiet">${timeView(entry.at)} · ${stateOf(entry)}</p>
        ${refusalView(entry, contact, actions)}`;
    case 'gap':
      return html`<p>${fill(entry.reason === 'expired' ? chat.gapExpired : chat.gapOverflow, {
        count: entry.count,
        from: formatDate(entry.from),
        to: formatDate(entry.to),
      })}</p>`;
    case 'undecryptable':
      return html`<p>${timeView(entry.at)} · ${entry.willRetry ? chat.undecryptableRetry : chat.undecryptable}</p>`;
    case 'identity':
      return html`<p>${timeView(entry.at)} · ${fill(chat.identity[entry.reason], { name: nameOf(contact) })}
        <a href=${addressOf('safety', { with: entry.userId })}>${chat.compare}</a></p>`;
  }
}

function textView(text: string): TemplateResult {
  return text === ''
    ? html`<p class="quiet">${texts().chat.unknownContent}</p>`
    : html`<p class="text" dir="auto">${text}</p>`;
}

function timeView(at: number): TemplateResult {
  return html`<time datetime=${new Date(at).toISOString()}>${formatTime(at)}</time>`;
}

function formatDate(at: number): string {
  return new Intl.DateTimeFormat(language(), { dateStyle: 'medium', timeStyle: 'short' }).format(at);
}

function stateOf({ state, refusedFor }: OwnEntry): string {
  const { chat } = texts();
  return refusedFor === undefined ? chat.states[state] : chat.states.refused;
}

function refusalView({ id, text, refusedFor }: OwnEntry, { userId }: Contact, actions: EntryActions) {
  if (refusedFor === undefined) return nothing;
  const { chat, problems } = texts();
  const hints: Record<string, string> = { ...problems, ...chat.refusals };
  return html`<p class="problem">${hints[refusedFor] ?? chat.refusals.unknown}
    ${refusedFor === 'IDENTITY_CHANGED' ? html`<a href=${addressOf('safety', { with: userId })}>${chat.compare}</a>` : nothing}
    <button type="button" class="plain" @click=${() => actions.sendAgain(id, text)}>${chat.sendAgain}</button></p>`;
}
