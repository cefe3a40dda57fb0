/** The sessions of the account. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { ListedSession } from '../../client/account.ts';
import { Screen } from '../screen.ts';
import { formatTime, texts } from '../texts.ts';
import { noteAccountChanged, openVyry } from '../vyry.ts';

/** The element `vyry-sessions`. */
class Sessions extends Screen {
  #sessions: ListedSession[] | undefined;

  override heading(): string {
    return texts().titles.sessions;
  }

  protected override opened(): void {
    void this.act(() => this.#load());
  }

  protected override content(): TemplateResult | typeof nothing {
    const { sessions } = texts();
    if (this.#sessions === undefined) return nothing;
    return html`<ul class="cards">
        ${this.#sessions.map((session) => this.#card(session))}
      </ul>
      ${
        this.#sessions.length > 1
          ? html`<button type="button" ?disabled=${this.isBusy} @click=${() => void this.#endOthers()}>
            ${sessions.endOthers}
          </button>`
          : nothing
      }
      <button type="button" class="plain" ?disabled=${this.isBusy} @click=${() => void this.#signOut()}>
        ${sessions.signOut}
      </button>`;
  }

  #card({ sessionId, createdAt, lastActivityAt, ip, userAgent, isCurrent }: ListedSession): TemplateResult {
    const { sessions } = texts();
    return html`<li>
      ${isCurrent ? html`<strong>${sessions.current}</strong>` : nothing}
      <dl>
        <dt>${sessions.program}</dt><dd dir="auto">${userAgent || sessions.unknown}</dd>
        <dt>${sessions.address}</dt><dd>${ip}</dd>
        <dt>${sessions.began}</dt><dd>${formatTime(createdAt)}</dd>
        <dt>${sessions.used}</dt><dd>${formatTime(lastActivityAt)}</dd>
      </dl>
      ${
        isCurrent
          ? nothing
          : html`<button type="button" class="danger" ?disabled=${this.isBusy} @click=${() => void this.#end(sessionId)}>
            ${sessions.end}
          </button>`
      }
    </li>`;
  }

  async #load(): Promise<void> {
    this.#sessions = await (await openVyry()).sessions.list();
  }

  async #end(sessionId: string): Promise<void> {
    const isEnded = await this.act(async () => {
      await (await openVyry()).sessions.end(sessionId);
      await this.#load();
    });
    if (isEnded) this.notify(texts().sessions.ended);
  }

  async #endOthers(): Promise<void> {
    const areEnded = await this.act(async () => {
      await (await openVyry()).sessions.endOthers();
      await this.#load();
    });
    if (areEnded) this.notify(texts().sessions.ended);
  }

  async #signOut(): Promise<void> {
    await this.act(async () => {
      await (await openVyry()).signOut();
      noteAccountChanged();
    });
  }
}

customElements.define('vyry-sessions', Sessions);
