/** A forgotten password: a message to the owner, then a new password by the token of its link. */
import { html, nothing, type TemplateResult } from 'lit-html';
import { hasCode } from '../../client/errors.ts';
import { field, onSubmit } from '../forms.ts';
import { addressOf, routeParameters } from '../router.ts';
import { Screen } from '../screen.ts';
import { texts } from '../texts.ts';
import { openVyry } from '../vyry.ts';

type Stage = 'request' | 'password' | 'done';

/** The element `vyry-recover`. */
class Recover extends Screen {
  #token = routeParameters().get('token') ?? '';
  #stage: Stage = this.#token === '' ? 'request' : 'password';
  #asksPin = false;

  override heading(): string {
    return texts().titles.recover;
  }

  protected override content(): TemplateResult | typeof nothing {
    const { recover } = texts();
    if (this.#stage === 'request') return this.#requestForm();
    if (this.#stage === 'password') return this.#passwordForm();
    return html`<p>${recover.done}</p><p><a href=${addressOf('sign-in')}>${texts().titles['sign-in']}</a></p>`;
  }

  #requestForm(): TemplateResult {
    const { recover, signIn } = texts();
    return html`<p>${recover.intro}</p>
      <form @submit=${onSubmit((values) => void this.#request(values))}>
        ${field({ name: 'identifier', label: signIn.identifier, autocomplete: 'username' })}
        <button ?disabled=${this.isBusy}>${recover.request}</button>
      </form>`;
  }

  #passwordForm(): TemplateResult {
    const { recover, register } = texts();
    return html`<form @submit=${onSubmit((values) => void this.#setPassword(values))}>
      ${this.#token === '' ? html`<p>${recover.sent}</p>${field({ name: 'token', label: recover.token })}` : nothing}
      ${field({
        name: 'password',
        label: recover.password,
        hint: register.passwordHint,
        type: 'password',
        autocomplete: 'new-password',
      })}
      ${this.#asksPin ? field({ name: 'pin', label: recover.pin, type: 'password', inputMode: 'numeric' }) : nothing}
      <button ?disabled=${this.isBusy}>${recover.submit}</button>
    </form>`;
  }

  async #request({ identifier = '' }: Record<string, string>): Promise<void> {
    await this.act(async () => {
      await (await openVyry()).recover({ identifier });
      this.#stage = 'password';
    });
  }

  async #setPassword({ token = this.#token, password = '', pin }: Record<string, string>): Promise<void> {
    const { recover, register } = texts();
    await this.act(
      async () => {
        const { calls } = await openVyry();
        const body = { token, password, ...(pin !== undefined && { pin }) };
        await calls.resetPassword({ body }).catch((err) => {
          this.#asksPin ||= hasCode(err, 'REGISTRATION_LOCKED');
          throw err;
        });
        this.#stage = 'done';
      },
      { INVALID_REQUEST: register.weak, INVALID_TOKEN: recover.tokenOver, REGISTRATION_LOCKED: recover.locked },
    );
  }
}

customElements.define('vyry-recover', Recover);
