/** Signing in: with a password, a code, or both. */
import { html, type nothing, type TemplateResult } from 'lit-html';
import { codeField, field, onSubmit } from '../forms.ts';
import { Screen } from '../screen.ts';
import { fill, formatTime, texts } from '../texts.ts';
import { noteAccountChanged, openVyry } from '../vyry.ts';

/** The element `vyry-sign-in`. */
class SignIn extends Screen {
  /** A log-in that waits for its code. */
  #pending: { loginId: string; expiresAt: string } | undefined;

  override heading(): string {
    return texts().titles['sign-in'];
  }

  protected override content(): TemplateResult | typeof nothing {
    return this.#pending ? this.#codeForm(this.#pending.expiresAt) : this.#form();
  }

  #form(): TemplateResult {
    const { signIn } = texts();
    return html`<form @submit=${onSubmit((values) => void this.#begin(values))}>
      ${field({ name: 'identifier', label: signIn.identifier, autocomplete: 'username' })}
      ${field({
        name: 'password',
        label: signIn.password,
        hint: signIn.passwordHint,
        type: 'password',
        autocomplete: 'current-password',
        isRequired: false,
      })}
      <button ?disabled=${this.isBusy}>${signIn.submit}</button>
    </form>`;
  }

  #codeForm(expiresAt: string): TemplateResult {
    const { signIn } = texts();
    return html`<p>${fill(signIn.codeSent, { time: formatTime(expiresAt) })}</p>
      <form @submit=${onSubmit((values) => void this.#verify(values))}>
        ${codeField(signIn.code)}
        <button ?disabled=${this.isBusy}>${signIn.verify}</button>
        <button type="button" class="plain" @click=${this.#restart}>${signIn.startAgain}</button>
      </form>`;
  }

  async #begin({ identifier = '', password }: Record<string, string>): Promise<void> {
    await this.act(async () => {
      const vyry = await openVyry();
      this.#pending = await vyry.signIn({ identifier, ...(password !== undefined && { password }) });
      if (this.#pending === undefined) noteAccountChanged();
    });
  }

  async #verify({ code = '' }: Record<string, string>): Promise<void> {
    const loginId = this.#pending?.loginId;
    if (loginId === undefined) return;
    await this.act(async () => {
      const vyry = await openVyry();
      await vyry.verifySignIn({ loginId, code });
      noteAccountChanged();
    });
  }

  #restart = (): void => {
    this.#pending = undefined;
    this.update();
  };
}

customElements.define('vyry-sign-in', SignIn);
