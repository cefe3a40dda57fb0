/** Signing in: with a password, a code, or both. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { Credentials } from '../../client/account.ts';
import { hasCode } from '../../client/errors.ts';
import { solveCaptcha } from '../captcha.ts';
import { choiceField, codeField, field, onSubmit } from '../forms.ts';
import { addressOf } from '../router.ts';
import { Screen } from '../screen.ts';
import { fill, formatTime, texts } from '../texts.ts';
import { noteAccountChanged, openVyry } from '../vyry.ts';

/** The element `vyry-sign-in`. */
class SignIn extends Screen {
  /** A log-in that waits for its code. */
  #pending: { loginId: string; expiresAt: string } | undefined;
  /** The account asks for its PIN or password after the code. */
  #asksOwnSecret = false;

  override heading(): string {
    return texts().titles['sign-in'];
  }

  protected override content(): TemplateResult | typeof nothing {
    return this.#pending ? this.#codeForm(this.#pending.expiresAt) : this.#form();
  }

  #form(): TemplateResult {
    const { signIn, channels } = texts();
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
        ${choiceField({ name: 'channel', label: signIn.channel, choices: { '': signIn.channelUsual, ...channels } })}
        <button ?disabled=${this.isBusy}>${signIn.submit}</button>
      </form>
      <p><a href=${addressOf('recover')}>${signIn.forgotten}</a></p>
      <p><a href=${addressOf('register')}>${signIn.noAccount}</a></p>`;
  }

  #codeForm(expiresAt: string): TemplateResult {
    const { signIn } = texts();
    return html`<p>${fill(signIn.codeSent, { time: formatTime(expiresAt) })}</p>
      <form @submit=${onSubmit((values) => void this.#verify(values))}>
        ${codeField(signIn.code)}
        ${
          this.#asksOwnSecret
            ? html`<p>${signIn.locked}</p>
              ${field({ name: 'pin', label: signIn.pin, type: 'password', inputMode: 'numeric', isRequired: false })}
              ${field({
                name: 'password',
                label: signIn.password,
                type: 'password',
                autocomplete: 'current-password',
                isRequired: false,
              })}`
            : nothing
        }
        <button ?disabled=${this.isBusy}>${signIn.verify}</button>
        <button type="button" class="plain" @click=${this.#restart}>${signIn.startAgain}</button>
      </form>`;
  }

  async #begin(values: Record<string, string>): Promise<void> {
    await this.act(
      async () => {
        this.#pending = await this.#request({ identifier: '', ...values });
        if (this.#pending === undefined) noteAccountChanged();
      },
      { CAPTCHA_UNKNOWN: texts().register.captchaUnknown },
    );
  }

  /** Requests the code with a solved captcha when the server has sent too many without one. */
  async #request(credentials: Credentials): Promise<{ loginId: string; expiresAt: string } | undefined> {
    const vyry = await openVyry();
    try {
      return await vyry.signIn(credentials);
    } catch (err) {
      if (!hasCode(err, 'RATE_LIMITED') || credentials.password !== undefined) throw err;
      return await vyry.signIn({ ...credentials, captcha: await solveCaptcha(vyry.calls, this.ended) });
    }
  }

  async #verify({ code = '', ...secrets }: Record<string, string>): Promise<void> {
    const loginId = this.#pending?.loginId;
    if (loginId === undefined) return;
    const { signIn } = texts();
    await this.act(
      async () => {
        const vyry = await openVyry();
        await vyry.verifySignIn({ loginId, code, ...secrets }).catch((err) => {
          this.#asksOwnSecret ||= hasCode(err, 'REGISTRATION_LOCKED');
          throw err;
        });
        noteAccountChanged();
      },
      { REGISTRATION_LOCKED: signIn.locked, UNAUTHORIZED: signIn.secretWrong, NOT_FOUND: signIn.codeOver },
    );
  }

  #restart = (): void => {
    this.#pending = undefined;
    this.#asksOwnSecret = false;
    this.update();
  };
}

customElements.define('vyry-sign-in', SignIn);
