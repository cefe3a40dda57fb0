/** The safety number of a conversation: its digits, its QR code, and the comparison with those of the other person. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { SafetyNumber } from '../../client/people.ts';
import { type Inbox, openInbox } from '../inbox.ts';
import { nameOf } from '../people.ts';
import { qrCode } from '../qr.ts';
import { addressOf, routeParameters } from '../router.ts';
import { compareSafetyNumber, groupsOf } from '../safety-code.ts';
import { Screen } from '../screen.ts';
import { fill, texts } from '../texts.ts';
import '../device-needed.ts';
import '../scan.ts';

/** What the last comparison said; `unreadable` for a text that is no safety number. */
type Comparison = 'same' | 'different' | 'unreadable';

/** The element `vyry-safety`. */
class Safety extends Screen {
  #inbox: Inbox | undefined;
  #name = '';
  #number: SafetyNumber | undefined;
  #comparison: Comparison | undefined;

  override heading(): string {
    return texts().titles.safety;
  }

  get #userId(): string {
    return routeParameters().get('with') ?? '';
  }

  protected override opened(): void {
    void this.act(
      async () => {
        this.#inbox = await openInbox();
        if (this.#inbox === undefined) return;
        this.#name = nameOf(await this.#inbox.history.contact(this.#userId));
        this.ended.addEventListener(
          'abort',
          this.#inbox.vyry.on('identity-changed', () => void this.#load()),
        );
        await this.#load();
      },
      { UNKNOWN_IDENTITY: texts().safety.noMessages },
    );
  }

  async #load(): Promise<void> {
    this.#number = await this.#inbox?.vyry.identities.safetyNumber(this.#userId);
    this.update();
  }

  protected override content(): TemplateResult | typeof nothing {
    if (this.#inbox === undefined) return this.isBusy ? nothing : html`<vyry-device-needed></vyry-device-needed>`;
    const { safety, chat } = texts();
    const back = html`<p><a href=${addressOf('chat', { with: this.#userId })}>${fill(safety.back, { name: this.#name })}</a></p>`;
    if (this.#number === undefined) return back;
    const { digits, isVerified } = this.#number;
    return html`${back}
      <p>${fill(safety.intro, { name: this.#name })}</p>
      <p role="status"><strong>${isVerified ? safety.verified : safety.unverified}</strong></p>
      <p class="digits groups" dir="ltr">${groupsOf(digits).map((group) => html`<span>${group}</span> `)}</p>
      ${qrCode(digits, safety.qrDescription)}
      <h2>${safety.compareTitle}</h2>
      <vyry-scan .label=${safety.scanLabel} @scan=${(event: CustomEvent<string>) => this.#compare(event.detail)}></vyry-scan>
      <div role="alert">${this.#comparison ? html`<p class=${this.#comparison === 'same' ? 'notice' : 'problem'}>${safety.comparisons[this.#comparison]}</p>` : nothing}</div>
      ${isVerified ? nothing : html`<p>${safety.byEye}</p><button type="button" ?disabled=${this.isBusy} @click=${() => this.#verify(digits)}>${safety.verify}</button>`}
      <h2>${safety.changedTitle}</h2>
      <p>${fill(safety.changedIntro, { name: this.#name })}</p>
      <button type="button" class="plain" ?disabled=${this.isBusy} @click=${this.#accept}>${safety.accept}</button>
      <p><a href=${addressOf('chat', { with: this.#userId })}>${chat.back}</a></p>`;
  }

  #compare(text: string): void {
    const digits = this.#number?.digits ?? '';
    const isSame = compareSafetyNumber(text, digits);
    this.#comparison = isSame === undefined ? 'unreadable' : isSame ? 'same' : 'different';
    this.update();
    if (isSame) this.#verify(text);
  }

  #verify(digits: string): void {
    void this.act(async () => {
      await this.#inbox?.vyry.identities.verify(this.#userId, digits);
      await this.#load();
    }, texts().safety.refusals);
  }

  #accept = (): void => {
    void this.act(async () => {
      await this.#inbox?.vyry.identities.accept(this.#userId);
      await this.#load();
      this.notify(texts().safety.accepted);
    });
  };
}

customElements.define('vyry-safety', Safety);
