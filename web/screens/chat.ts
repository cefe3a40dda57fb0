/** One conversation: its messages with what became of them, the decision about a stranger, and the field to write in. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { Contact } from '../history.ts';
import { type Inbox, leaveOut, openInbox } from '../inbox.ts';
import { nameOf } from '../people.ts';
import { addressOf, routeParameters } from '../router.ts';
import { Screen } from '../screen.ts';
import { fill, formatTime, texts } from '../texts.ts';
import { groupByDay } from '../timeline.ts';
import { dayView } from '../timeline-view.ts';
import { createTyping, type TypingSignal } from '../typing.ts';
import '../device-needed.ts';

/** Entries that are shown at first, and that each request for earlier ones adds. */
const pageEntries = 50;
/** Message ids of one receipt. */
const receiptIdsMax = 256;

/** What this user decided about the other one; `none` before any message, `unknown` until the server has said it. */
type Decision = 'unknown' | 'none' | 'requested' | 'accepted' | 'blocked';

/** The element `vyry-chat`. */
class Chat extends Screen {
  #inbox: Inbox | undefined;
  #contact: Contact | undefined;
  #days: ReturnType<typeof groupByDay> = [];
  #hasEarlier = false;
  #limit = pageEntries;
  #decision: Decision = 'unknown';
  #isOnline = false;
  /** The server tells whether the person is connected. */
  #isFollowing = false;
  #lastSeenAt: string | undefined;
  #isTyping = false;
  #typing: TypingSignal | undefined;

  override heading(): string {
    return this.#contact ? nameOf(this.#contact) : texts().titles.chat;
  }

  get #userId(): string {
    return routeParameters().get('with') ?? '';
  }

  protected override opened(): void {
    void this.act(async () => {
      this.#inbox = await openInbox();
      if (this.#inbox === undefined || this.#userId === '') return;
      const name = routeParameters().get('name');
      const { history } = this.#inbox;
      if (name && (await history.contact(this.#userId)).name === '') await history.rename(this.#userId, name);
      this.#listen(this.#inbox);
      await this.#readDecision();
      await this.#load();
      this.#scrollToEnd();
    });
  }

  #listen({ vyry, history }: Inbox): void {
    const userId = this.#userId;
    const load = () => void this.#load();
    const endings = [
      history.subscribe(load),
      vyry.on('typing', (typing) => {
        if (typing.userId === userId) this.#typing?.received(typing.active);
      }),
      vyry.on('presence', (presence) => {
        if (presence.userId !== userId) return;
        this.#isOnline = presence.online;
        this.#lastSeenAt = presence.lastSeenAt;
        this.update();
      }),
      // the first message accepts its recipient
      vyry.on('sent', (sent) => {
        if (sent.userId === userId && this.#decision !== 'accepted') void this.#readDecision();
      }),
      vyry.state.subscribe(({ kind }) => {
        this.#isFollowing &&= kind === 'connected';
        if (kind === 'connected') void this.#readDecision();
      }),
    ];
    this.#typing = createTyping({
      send: (active) => vyry.setTyping(userId, active),
      show: (active) => {
        this.#isTyping = active;
        this.update();
      },
    });
    endings.push(() => this.#typing?.close());
    // what arrived while the page was hidden is read once it is visible
    document.addEventListener('visibilitychange', load, { signal: this.ended });
    this.ended.addEventListener('abort', () => {
      for (const end of endings) end();
    });
  }

  async #load(): Promise<void> {
    if (this.#inbox === undefined || this.ended.aborted) return;
    const { history } = this.#inbox;
    const list = this.querySelector('.messages');
    const wasAtEnd = list === null || list.scrollHeight - list.scrollTop - list.clientHeight < 80;
    const entries = await history.timeline(this.#userId, this.#limit + 1);
    this.#hasEarlier = entries.length > this.#limit;
    this.#days = groupByDay(entries.slice(-this.#limit));
    this.#contact = await history.contact(this.#userId);
    document.title = `${this.heading()} · Vyry`;
    this.update();
    if (wasAtEnd) this.#scrollToEnd();
    await this.#markRead();
    if (this.#decision === 'accepted' && !this.#isFollowing) await this.#followPresence();
  }

  /** Somebody has written and waits for a decision; the server may record it just after the message has arrived. */
  get #isRequest(): boolean {
    const hasReceived = () => this.#days.some(({ entries }) => entries.some(({ kind }) => kind === 'received'));
    return this.#decision === 'requested' || (this.#decision === 'none' && hasReceived());
  }

  /** What a stranger has written stays new until the user has decided, and is reported then. */
  async #markRead(): Promise<void> {
    if (this.#inbox === undefined || this.#isRequest || document.visibilityState !== 'visible') return;
    const { vyry, history } = this.#inbox;
    const ids = await history.markRead(this.#userId);
    for (let start = 0; start < ids.length; start += receiptIdsMax)
      await vyry.sendReceipt(this.#userId, ids.slice(start, start + receiptIdsMax), 'read').catch(leaveOut);
  }

  async #readDecision(): Promise<void> {
    const conversations = this.#inbox?.vyry.conversations;
    if (conversations === undefined) return;
    // without a connection the decision is the one that was read last
    const known = { state: this.#decision };
    const unread = (err: unknown) => leaveOut(err) ?? known;
    this.#decision = (await conversations.read(this.#userId).catch(unread))?.state ?? 'none';
    if (this.#decision === 'accepted') await this.#followPresence();
    this.update();
  }

  async #followPresence(): Promise<void> {
    // somebody who has not accepted this user shows no presence: it is tried again when something happens
    const following = this.#inbox?.vyry.subscribePresence([this.#userId]);
    this.#isFollowing = await Promise.resolve(following).then(
      () => true,
      () => false,
    );
  }

  #scrollToEnd(): void {
    setTimeout(() => {
      const list = this.querySelector('.messages');
      if (list) list.scrollTop = list.scrollHeight;
    });
  }

  protected override content(): TemplateResult | typeof nothing {
    if (this.#inbox === undefined) return this.isBusy ? nothing : html`<vyry-device-needed></vyry-device-needed>`;
    if (this.#contact === undefined) return nothing;
    const { chat } = texts();
    const contact = this.#contact;
    const actions = { sendAgain: this.#sendAgain };
    return html`<p class="quiet" role="status">${this.#presence()}</p>
      ${this.#menu(contact)}
      <div class="messages" role="log" tabindex="0" aria-label=${chat.messages}>
        ${this.#hasEarlier ? html`<button type="button" class="plain" @click=${this.#showEarlier}>${chat.earlier}</button>` : nothing}
        ${this.#days.length === 0 ? html`<p class="quiet">${chat.empty}</p>` : nothing}
        ${this.#days.map((day) => dayView(day, contact, actions))}
      </div>
      ${this.#isRequest || this.#decision === 'blocked' ? this.#decisionForm() : this.#composer()}`;
  }

  #presence(): string {
    const { chat } = texts();
    if (this.#isTyping) return chat.typing;
    if (this.#isOnline) return chat.online;
    return this.#lastSeenAt ? fill(chat.lastSeen, { time: formatTime(this.#lastSeenAt) }) : '';
  }

  #menu(contact: Contact): TemplateResult {
    const { chat } = texts();
    return html`<details class="menu">
      <summary>${chat.more}</summary>
      <p><a href=${addressOf('safety', { with: contact.userId })}>${texts().titles.safety}</a></p>
      <form @submit=${this.#rename}>
        <label for="contact-name">${chat.name}</label>
        <input id="contact-name" name="name" maxlength="100" dir="auto" autocomplete="off" .value=${contact.name}>
        <button class="plain">${chat.rename}</button>
      </form>
      ${this.#decision === 'blocked' ? nothing : html`<button type="button" class="danger" @click=${() => this.#decide('blocked')}>${chat.block}</button>`}
    </details>`;
  }

  #decisionForm(): TemplateResult {
    const { chat } = texts();
    if (this.#decision === 'blocked')
      return html`<div class="panel"><p>${chat.isBlocked}</p>
        <button type="button" ?disabled=${this.isBusy} @click=${() => this.#decide('unblocked')}>${chat.unblock}</button></div>`;
    return html`<div class="panel"><p>${chat.isRequest}</p>
      <div class="actions">
        <button type="button" ?disabled=${this.isBusy} @click=${() => this.#decide('accepted')}>${chat.accept}</button>
        <button type="button" class="danger" ?disabled=${this.isBusy} @click=${() => this.#decide('blocked')}>${chat.block}</button>
      </div></div>`;
  }

  #composer(): TemplateResult {
    const { chat } = texts();
    return html`<form class="composer" @submit=${this.#submit}>
      <label class="hidden" for="message">${chat.message}</label>
      <textarea id="message" name="message" rows="2" dir="auto" maxlength="20000" placeholder=${chat.message}
        @keydown=${this.#sendOnEnter} @input=${this.#noteTyping} @blur=${() => this.#typing?.stopped()}></textarea>
      <button>${chat.send}</button>
    </form>`;
  }

  #submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const area = this.querySelector('textarea');
    const text = area?.value.trim() ?? '';
    if (area === null || text === '') return;
    area.value = '';
    this.#typing?.stopped();
    void this.#send(text);
  };

  async #send(text: string): Promise<void> {
    await this.#inbox?.send(this.#userId, text);
    this.#scrollToEnd();
  }

  #sendOnEnter = (event: KeyboardEvent): void => {
    // while an input method composes, Enter ends the composition
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.querySelector<HTMLFormElement>('.composer')?.requestSubmit();
  };

  #noteTyping = (event: InputEvent): void => {
    if (this.#decision !== 'accepted') return;
    if ((event.target as HTMLTextAreaElement).value === '') this.#typing?.stopped();
    else this.#typing?.typed();
  };

  #sendAgain = (id: string, text: string): void => void this.#inbox?.sendAgain(id, this.#userId, text);

  #showEarlier = (): void => {
    this.#limit += pageEntries;
    void this.#load();
  };

  #rename = (event: SubmitEvent): void => {
    event.preventDefault();
    const name = new FormData(event.target as HTMLFormElement).get('name');
    if (typeof name === 'string') void this.act(async () => this.#inbox?.history.rename(this.#userId, name.trim()));
  };

  #decide(decision: 'accepted' | 'blocked' | 'unblocked'): void {
    void this.act(async () => {
      const conversations = this.#inbox?.vyry.conversations;
      if (decision === 'accepted') await conversations?.accept(this.#userId);
      if (decision === 'blocked') await conversations?.block(this.#userId);
      if (decision === 'unblocked') await conversations?.unblock(this.#userId);
      await this.#readDecision();
      await this.#markRead();
    });
  }
}

customElements.define('vyry-chat', Chat);
