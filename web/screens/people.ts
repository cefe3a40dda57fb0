/** Beginning a conversation: the own contact code, and the code of another person. */
import { html, nothing, type TemplateResult } from 'lit-html';
import { contactCode, readContactCode } from '../contact-code.ts';
import { qrCode } from '../qr.ts';
import { addressOf } from '../router.ts';
import { Screen } from '../screen.ts';
import { texts } from '../texts.ts';
import { openVyry } from '../vyry.ts';
import '../scan.ts';

/** The element `vyry-people`. */
class People extends Screen {
  #ownCode: string | undefined;
  #isUnreadable = false;

  override heading(): string {
    return texts().titles.people;
  }

  protected override opened(): void {
    void this.act(async () => {
      const { userId, fullName } = await (await openVyry()).profile.read();
      this.#ownCode = contactCode(location.origin, { userId, name: fullName ?? '' });
    });
  }

  protected override content(): TemplateResult | typeof nothing {
    const { people } = texts();
    return html`<h2>${people.otherTitle}</h2>
      <p>${people.otherIntro}</p>
      <vyry-scan .label=${people.scanLabel} @scan=${(event: CustomEvent<string>) => this.#open(event.detail)}></vyry-scan>
      <div role="alert">${this.#isUnreadable ? html`<p class="problem">${people.unreadable}</p>` : nothing}</div>
      <h2>${people.ownTitle}</h2>
      ${this.#ownCode === undefined ? nothing : this.#own(this.#ownCode)}`;
  }

  #own(code: string): TemplateResult {
    const { people, link } = texts();
    return html`<p>${people.ownIntro}</p>
      ${qrCode(code, people.qrDescription)}
      <p class="code" dir="ltr">${code}</p>
      <button type="button" class="plain" @click=${() => void this.#copy(code)}>${link.copy}</button>`;
  }

  async #copy(text: string): Promise<void> {
    await navigator.clipboard.writeText(text);
    this.notify(texts().link.copied);
  }

  #open(text: string): void {
    const code = readContactCode(location.origin, text);
    this.#isUnreadable = code === undefined;
    this.update();
    if (code === undefined) return;
    const { userId, name } = code;
    location.href = addressOf('chat', { with: userId, ...(name !== '' && { name }) });
  }
}

customElements.define('vyry-people', People);
