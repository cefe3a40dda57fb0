/** What to do in a browser whose session is not that of a device: messages need the keys of one. */
import { html, nothing, type TemplateResult } from 'lit-html';
import { deviceName } from './device-name.ts';
import { addressOf } from './router.ts';
import { Screen } from './screen.ts';
import { withStepUp } from './step-up.ts';
import { texts } from './texts.ts';
import { noteAccountChanged, openVyry } from './vyry.ts';

/** The element `vyry-device-needed`. It fires `device-added`, which bubbles, when there are keys. */
class DeviceNeeded extends Screen {
  #hasDevices: boolean | undefined;

  override heading(): string {
    return texts().deviceNeeded.title;
  }

  protected override opened(): void {
    void this.act(async () => {
      this.#hasDevices = (await (await openVyry()).devices.list()).length > 0;
    });
  }

  protected override view(): TemplateResult {
    const { deviceNeeded } = texts();
    return html`<div class="panel"><h2>${deviceNeeded.title}</h2>${this.feedback()}${this.content()}</div>`;
  }

  protected override content(): TemplateResult | typeof nothing {
    const { deviceNeeded, titles } = texts();
    if (this.#hasDevices === undefined) return nothing;
    if (this.#hasDevices)
      return html`<p>${deviceNeeded.linkHint}</p><p><a class="button" href=${addressOf('link')}>${titles.link}</a></p>`;
    return html`<p>${deviceNeeded.addHint}</p>
      <button type="button" ?disabled=${this.isBusy} @click=${this.#add}>${deviceNeeded.add}</button>`;
  }

  #add = (): void => {
    void this.act(async () => {
      const vyry = await openVyry();
      await withStepUp(vyry, () => vyry.devices.add(deviceName()));
      noteAccountChanged();
      this.dispatchEvent(new Event('device-added', { bubbles: true }));
    });
  };
}

customElements.define('vyry-device-needed', DeviceNeeded);
