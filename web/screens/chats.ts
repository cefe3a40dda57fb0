/** The conversations: requests of strangers first, then the others, the newest first. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { Contact } from '../history.ts';
import { type Inbox, leaveOut, openInbox } from '../inbox.ts';
import { nameOf } from '../people.ts';
import { addressOf } from '../router.ts';
import { Screen } from '../screen.ts';
import { fill, formatTime, texts } from '../texts.ts';
import '../device-needed.ts';

/** The element `vyry-chats`. */
class Chats extends Screen {
  #inbox: Inbox | undefined;
  #contacts: Contact[] | undefined;
  /** The states of conversations by the ids of users; undefined until the server has said them. */
  #states: Map<string, string> | undefined;

  override heading(): string {
    return texts().titles.chats;
  }

  protected override opened(): void {
    void this.act(async () => {
      this.#inbox = await openInbox();
      if (this.#inbox === undefined) return;
      this.ended.addEventListener(
        'abort',
        this.#inbox.history.subscribe(() => void this.#load()),
      );
      await this.#load();
    });
  }

  async #load(): Promise<void> {
    if (this.#inbox === undefined) return;
    const { vyry, history } = this.#inbox;
    this.#contacts = (await history.contacts()).sort((one, other) => other.lastAt - one.lastAt);
    this.update();
    // without a connection the decisions are those that were read last
    const conversations = await vyry.conversations.list().catch(leaveOut);
    if (conversations) this.#states = new Map(conversations.map(({ userId, state }) => [userId, state]));
    this.update();
  }

  protected override content(): TemplateResult | typeof nothing {
    if (this.#inbox === undefined) return this.isBusy ? nothing : html`<vyry-device-needed></vyry-device-needed>`;
    if (this.#contacts === undefined) return nothing;
    const { chats } = texts();
    const requests = this.#contacts.filter((contact) => this.#isRequest(contact));
    const others = this.#contacts.filter((contact) => !this.#isRequest(contact));
    return html`<p><a class="button" href=${addressOf('people')}>${chats.begin}</a></p>
      ${requests.length > 0 ? html`<h2>${chats.requests}</h2>${this.#list(requests)}` : nothing}
      ${requests.length > 0 && others.length > 0 ? html`<h2>${chats.others}</h2>` : nothing}
      ${this.#contacts.length === 0 ? html`<p>${chats.none}</p>` : this.#list(others)}`;
  }

  /** Somebody has written and waits for a decision; the server may record it just after the message has arrived. */
  #isRequest({ userId, unread }: Contact): boolean {
    if (this.#states === undefined) return false;
    const state = this.#states.get(userId);
    return state === 'requested' || (state === undefined && unread > 0);
  }

  #list(contacts: Contact[]): TemplateResult {
    return html`<ul class="cards">${contacts.map((contact) => html`<li>${this.#row(contact)}</li>`)}</ul>`;
  }

  #row(contact: Contact): TemplateResult {
    const { chats } = texts();
    const { userId, unread, lastAt, lastText } = contact;
    return html`<a class="row" href=${addressOf('chat', { with: userId })}>
      <strong dir="auto">${nameOf(contact)}</strong>
      ${unread > 0 ? html`<span class="badge">${fill(chats.unread, { count: unread })}</span>` : nothing}
      ${this.#states?.get(userId) === 'blocked' ? html`<span class="quiet">${chats.blocked}</span>` : nothing}
      ${lastAt > 0 ? html`<time class="quiet" datetime=${new Date(lastAt).toISOString()}>${formatTime(lastAt)}</time>` : nothing}
      <span class="preview quiet" dir="auto">${lastText}</span>
    </a>`;
  }
}

customElements.define('vyry-chats', Chats);
