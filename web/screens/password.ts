/** The password and the PIN of the account. */
import { html, type TemplateResult } from 'lit-html';
import { codeField, field, onSubmit } from '../forms.ts';
import { Screen } from '../screen.ts';
import { withStepUp } from '../step-up.ts';
import { fill, formatTime, texts } from '../texts.ts';
import { openVyry } from '../vyry.ts';

/** The element `vyry-password`. */
class Password extends Screen {
  /** A reset of the PIN that waits for its code. */
  #reset: { resetId: string; expiresAt: string } | undefined;

  override heading(): string {
    return texts().titles.password;
  }

  protected override content(): TemplateResult {
    const { password } = texts();
    return html`<h2>${password.change}</h2>
      <p>${password.sessionsEnd}</p>
      ${this.#passwordForm()}
      <h2>${password.pin}</h2>
      <p>${password.pinPurpose}</p>
      ${this.#pinForm()}
      <h2>${password.pinForgotten}</h2>
      ${this.#reset ? this.#resetForm(this.#reset) : this.#resetRequestForm()}`;
  }

  #passwordForm(): TemplateResult {
    const { password, register } = texts();
    return html`<form @submit=${onSubmit((values) => void this.#changePassword(values))}>
      ${field({
        name: 'currentPassword',
        label: password.current,
        type: 'password',
        autocomplete: 'current-password',
      })}
      ${field({
        name: 'newPassword',
        label: password.new,
        hint: register.passwordHint,
        type: 'password',
        autocomplete: 'new-password',
      })}
      <button ?disabled=${this.isBusy}>${password.submit}</button>
    </form>`;
  }

  #pinForm(): TemplateResult {
    const { password, register } = texts();
    return html`<form @submit=${onSubmit((values) => void this.#changePin(values))}>
      ${field({
        name: 'pin',
        label: password.newPin,
        hint: register.pinHint,
        type: 'password',
        inputMode: 'numeric',
      })}
      ${field({
        name: 'currentPin',
        label: password.currentPin,
        hint: password.currentPinHint,
        type: 'password',
        inputMode: 'numeric',
        isRequired: false,
      })}
      ${field({
        id: 'pin-password',
        name: 'currentPassword',
        label: password.current,
        hint: password.currentPasswordHint,
        type: 'password',
        autocomplete: 'current-password',
        isRequired: false,
      })}
      <button ?disabled=${this.isBusy}>${password.submitPin}</button>
    </form>`;
  }

  #resetRequestForm(): TemplateResult {
    const { password } = texts();
    return html`<button type="button" class="plain" ?disabled=${this.isBusy} @click=${() => void this.#requestReset()}>
      ${password.sendCode}
    </button>`;
  }

  #resetForm({ resetId, expiresAt }: { resetId: string; expiresAt: string }): TemplateResult {
    const { password, register } = texts();
    const submit = ({ code = '', pin = '' }: Record<string, string>) => void this.#resetPin({ resetId, code, pin });
    return html`<p>${fill(password.codeSent, { time: formatTime(expiresAt) })}</p>
      <form @submit=${onSubmit(submit)}>
        ${codeField(password.code)}
        ${field({
          id: 'reset-pin',
          name: 'pin',
          label: password.newPin,
          hint: register.pinHint,
          type: 'password',
          inputMode: 'numeric',
        })}
        <button ?disabled=${this.isBusy}>${password.submitPin}</button>
      </form>`;
  }

  async #changePassword({ currentPassword = '', newPassword = '' }: Record<string, string>): Promise<void> {
    const { password, register } = texts();
    await this.#change(
      async () => {
        await (await openVyry()).calls.changePassword({ body: { currentPassword, newPassword } });
      },
      { UNAUTHORIZED: password.currentWrong, INVALID_REQUEST: register.weak },
    );
  }

  /** The account has either a PIN, which is its proof, or none, and then its password is. */
  async #changePin({ pin = '', ...proof }: Record<string, string>): Promise<void> {
    const { password, register } = texts();
    await this.#change(
      async () => {
        const vyry = await openVyry();
        await withStepUp(vyry, () => vyry.calls.changePin({ body: { pin, ...proof } }));
      },
      { UNAUTHORIZED: password.proofWrong, INVALID_REQUEST: register.weak, FORBIDDEN: password.probation },
    );
  }

  async #requestReset(): Promise<void> {
    const { password } = texts();
    await this.act(
      async () => {
        const vyry = await openVyry();
        this.#reset = await withStepUp(vyry, () => vyry.calls.beginPinReset());
      },
      { FORBIDDEN: password.probation },
    );
  }

  async #resetPin(body: { resetId: string; code: string; pin: string }): Promise<void> {
    await this.#change(
      async () => {
        await (await openVyry()).calls.resetPin({ body });
        this.#reset = undefined;
      },
      { INVALID_REQUEST: texts().register.weak },
    );
  }

  async #change(run: () => Promise<void>, hints: Record<string, string>): Promise<void> {
    if (!(await this.act(run, hints))) return;
    for (const form of this.querySelectorAll('form')) form.reset();
    this.notify(texts().password.changed);
  }
}

customElements.define('vyry-password', Password);
