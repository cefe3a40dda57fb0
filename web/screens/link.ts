/** Linking this browser to an account, as the new device: it shows the QR code, then the digits. */
import { html, type nothing, type TemplateResult } from 'lit-html';
import type { LinkToAccount } from '../../client/own-devices.ts';
import { deviceName } from '../device-name.ts';
import { field, onSubmit } from '../forms.ts';
import { qrCode } from '../qr.ts';
import { addressOf, open } from '../router.ts';
import { Screen } from '../screen.ts';
import { texts } from '../texts.ts';
import { noteAccountChanged, openVyry } from '../vyry.ts';

/** What the screen shows. */
type Step =
  | { name: 'begin' }
  | { name: 'scan'; qrText: string }
  | { name: 'digits'; digits: string }
  | { name: 'unknown-devices' };

/** The element `vyry-link`. */
class Link extends Screen {
  #step: Step = { name: 'begin' };

  override heading(): string {
    return texts().titles.link;
  }

  protected override content(): TemplateResult | typeof nothing {
    const { link } = texts();
    switch (this.#step.name) {
      case 'begin':
        return html`<p>${link.intro}</p>
          <form @submit=${onSubmit(({ name = '' }) => void this.#link(name))}>
            ${field({ name: 'name', label: link.deviceName, hint: link.deviceNameHint, value: deviceName() })}
            <button ?disabled=${this.isBusy}>${link.begin}</button>
          </form>`;
      case 'scan':
        return this.#code(this.#step.qrText);
      case 'digits':
        return html`<p>${link.typeDigits}</p>
          <p class="digits" role="status" dir="ltr">${this.#step.digits}</p>
          <p>${link.waiting}</p>
          <p class="quiet">${link.digitsWarning}</p>`;
      case 'unknown-devices':
        return html`<div class="problem" role="alert"><p>${link.unknownDevices}</p></div>
          <p><a href=${addressOf('devices')}>${texts().titles.devices}</a></p>`;
    }
  }

  #code(qrText: string): TemplateResult {
    const { link } = texts();
    return html`<ol>
        <li>${link.step1}</li>
        <li>${link.step2}</li>
      </ol>
      ${qrCode(qrText, link.qrDescription)}
      <details><summary>${link.asText}</summary>
        <p class="code" dir="ltr">${qrText}</p>
        <button type="button" class="plain" @click=${() => void this.#copy(qrText)}>${link.copy}</button>
      </details>
      <p class="quiet" role="status">${link.valid}</p>`;
  }

  async #copy(text: string): Promise<void> {
    await navigator.clipboard.writeText(text);
    this.notify(texts().link.copied);
  }

  async #link(name: string): Promise<void> {
    const { link: hints } = texts();
    const isLinked = await this.act(
      async () => {
        const vyry = await openVyry();
        await this.#complete(await vyry.devices.requestLink(name));
      },
      { LINK_ENDED: hints.ended, LINK_PROVISION: hints.ended },
    );
    if (isLinked) return;
    this.#step = { name: 'begin' };
    this.update();
  }

  async #complete(link: LinkToAccount): Promise<void> {
    this.#show({ name: 'scan', qrText: link.qrText });
    const digits = await link.code();
    if (this.ended.aborted) return;
    this.#show({ name: 'digits', digits });
    const { isDeviceSetKnown } = await link.complete();
    if (!isDeviceSetKnown) this.#show({ name: 'unknown-devices' });
    noteAccountChanged();
    if (isDeviceSetKnown) open('chats', { replaces: true });
  }

  #show(step: Step): void {
    this.#step = step;
    this.update();
  }
}

customElements.define('vyry-link', Link);
