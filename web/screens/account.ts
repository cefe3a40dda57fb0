/** The profile of the account. A new number or address counts once the code that is sent there was typed. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { Vyry } from '../../client/vyry.ts';
import { codeField, field, onSubmit } from '../forms.ts';
import { addressOf } from '../router.ts';
import { Screen } from '../screen.ts';
import { withStepUp } from '../step-up.ts';
import { fill, formatTime, language, texts } from '../texts.ts';
import { openVyry } from '../vyry.ts';

type User = Awaited<ReturnType<Vyry['profile']['read']>>;
type ProfileChange = Parameters<Vyry['profile']['update']>[0];

/** The element `vyry-account`. */
class Account extends Screen {
  #user: User | undefined;
  /** A new number or address that waits for its code. */
  #change: { changeId: string; expiresAt: string } | undefined;

  override heading(): string {
    return texts().titles.account;
  }

  protected override opened(): void {
    void this.act(async () => {
      this.#user = await (await openVyry()).profile.read();
    });
  }

  protected override content(): TemplateResult | typeof nothing {
    const user = this.#user;
    if (user === undefined) return nothing;
    const { account, titles } = texts();
    return html`
      <ul class="links">
        <li><a href=${addressOf('password')}>${titles.password}</a></li>
        <li><a href=${addressOf('sessions')}>${titles.sessions}</a></li>
        <li><a href=${addressOf('security')}>${titles.security}</a></li>
        <li><a href=${addressOf('data')}>${titles.data}</a></li>
      </ul>
      ${user.phoneRefused ? html`<p class="problem">${account.phoneRefused}</p>` : nothing}
      ${this.#change ? this.#codeForm(this.#change) : nothing}
      <h2>${account.names}</h2>
      <form @submit=${onSubmit(({ fullName = '' }) => void this.#save({ fullName, locale: language() }))}>
        ${field({ name: 'fullName', label: account.fullName, value: user.fullName, autocomplete: 'name' })}
        <p class="hint">${account.languageHint}</p>
        <button ?disabled=${this.isBusy}>${account.save}</button>
      </form>
      <h2>${account.contact}</h2>
      ${this.#contactForm(user)}
      <dl>
        <dt>${account.userId}</dt><dd>${user.userId}</dd>
        <dt>${account.since}</dt><dd>${formatTime(user.createdAt)}</dd>
      </dl>`;
  }

  #contactForm({ username, phone, email }: User): TemplateResult {
    const { account } = texts();
    const submit = (values: Record<string, string>) => {
      const before: Record<string, string | undefined> = { username, phone, email };
      const changed = Object.entries(values).filter(([name, value]) => name in before && before[name] !== value);
      void this.#save(Object.fromEntries(changed));
    };
    return html`<form @submit=${onSubmit(submit)}>
      ${field({ name: 'username', label: account.username, value: username, autocomplete: 'username', isRequired: false })}
      ${field({ name: 'phone', label: account.phone, value: phone, type: 'tel', autocomplete: 'tel', isRequired: false })}
      ${field({
        name: 'email',
        label: account.email,
        value: email,
        type: 'email',
        autocomplete: 'email',
        isRequired: false,
      })}
      <button ?disabled=${this.isBusy}>${account.save}</button>
    </form>`;
  }

  #codeForm({ changeId, expiresAt }: { changeId: string; expiresAt: string }): TemplateResult {
    const { account } = texts();
    return html`<h2>${account.code}</h2>
      <p>${fill(account.codeSent, { time: formatTime(expiresAt) })}</p>
      <form @submit=${onSubmit(({ code = '' }) => void this.#verify(changeId, code))}>
        ${codeField(account.codeField)}
        <button ?disabled=${this.isBusy}>${account.verify}</button>
      </form>`;
  }

  async #save(change: ProfileChange): Promise<void> {
    const { account } = texts();
    const isSaved = await this.act(
      async () => {
        const vyry = await openVyry();
        const answer = await withStepUp(vyry, () => vyry.profile.update(change));
        if ('changeId' in answer) this.#change = answer;
        else this.#user = answer;
      },
      { CONFLICT: account.taken },
    );
    if (isSaved && this.#change === undefined) this.notify(account.saved);
  }

  async #verify(changeId: string, code: string): Promise<void> {
    const { account } = texts();
    const isSaved = await this.act(
      async () => {
        this.#user = await (await openVyry()).calls.verifyContact({ changeId, body: { code } });
        this.#change = undefined;
      },
      { CONFLICT: account.taken },
    );
    if (isSaved) this.notify(account.saved);
  }
}

customElements.define('vyry-account', Account);
