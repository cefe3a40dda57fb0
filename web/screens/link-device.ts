/**
 * Deciding about a new device, or about a registration, as a device of the account: open requests and the scan of a QR
 * code, then who asks, then the digits.
 */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { ExistingDeviceFlow } from '../../client/link-flows.ts';
import type { Vyry } from '../../client/vyry.ts';
import { field, onSubmit } from '../forms.ts';
import { addressOf, routeParameters } from '../router.ts';
import { Screen } from '../screen.ts';
import { withStepUp } from '../step-up.ts';
import { fill, formatTime, texts } from '../texts.ts';
import { openVyry } from '../vyry.ts';
import '../scan.ts';

type LinkRequests = Awaited<ReturnType<Vyry['devices']['requests']>>;
type Outcome = 'linked' | 'approved' | 'denied' | 'reported';

/** The element `vyry-link-device`. */
class LinkDevice extends Screen {
  #vyry: Vyry | undefined;
  #requests: LinkRequests = [];
  #flow: ExistingDeviceFlow | undefined;
  /** The new device shows its digits. */
  #isClaimed = false;
  #outcome: Outcome | undefined;

  override heading(): string {
    return texts().titles['link-device'];
  }

  protected override opened(): void {
    void this.act(async () => {
      const vyry = await openVyry();
      this.#vyry = vyry;
      const endings = [
        vyry.on('link-requested', () => void this.#loadRequests()),
        vyry.on('link-changed', () => void this.#loadRequests()),
      ];
      this.ended.addEventListener('abort', () => {
        for (const end of endings) end();
      });
      const linkId = routeParameters().get('request');
      if (linkId !== null) this.#flow = await vyry.devices.openApproval(linkId);
      await this.#loadRequests();
    });
  }

  async #loadRequests(): Promise<void> {
    this.#requests = (await this.#vyry?.devices.requests()) ?? [];
    this.update();
  }

  protected override content(): TemplateResult | typeof nothing {
    const { approve } = texts();
    if (this.#outcome !== undefined)
      return html`<p role="status">${approve.outcomes[this.#outcome]}</p>
        <p><a href=${addressOf('devices')}>${texts().titles.devices}</a></p>`;
    if (this.#flow !== undefined) return this.#decision(this.#flow);
    return html`${this.#list()}
      <h2>${approve.scanTitle}</h2>
      <p>${approve.scanIntro}</p>
      <vyry-scan .label=${approve.scanLabel} @scan=${(event: CustomEvent<string>) => this.#open(event.detail)}></vyry-scan>`;
  }

  #list(): TemplateResult | typeof nothing {
    const { approve } = texts();
    if (this.#requests.length === 0) return nothing;
    return html`<h2>${approve.requests}</h2>
      <ul class="cards">${this.#requests.map(
        ({ linkId, kind, deviceName, createdAt }) => html`<li>
          <p><strong dir="auto">${deviceName}</strong> ${approve.kinds[kind]} <span class="quiet">${formatTime(createdAt)}</span></p>
          <button type="button" @click=${() => this.#openRequest(linkId)}>${approve.look}</button>
        </li>`,
      )}</ul>`;
  }

  #decision(flow: ExistingDeviceFlow): TemplateResult {
    const { approve } = texts();
    const { deviceName, client, ip, place, network, own, sameNetwork, createdAt, kind } = flow.request;
    return html`<p>${approve.kinds[kind]}</p>
      <div class="problem"><p><strong>${approve.warning}</strong></p></div>
      <table>
        <thead><tr><td></td><th scope="col">${approve.newDevice}</th><th scope="col">${approve.thisDevice}</th></tr></thead>
        <tbody>
          <tr><th scope="row">${approve.name}</th><td dir="auto">${deviceName} (${client})</td><td></td></tr>
          <tr><th scope="row">${approve.place}</th><td>${place ?? approve.unknownPlace}</td><td>${own.place ?? approve.unknownPlace}</td></tr>
          <tr><th scope="row">${approve.network}</th><td dir="ltr">${network}</td><td dir="ltr">${own.network}</td></tr>
          <tr><th scope="row">${approve.address}</th><td dir="ltr">${ip}</td><td dir="ltr">${own.ip}</td></tr>
          <tr><th scope="row">${approve.asked}</th><td>${formatTime(createdAt)}</td><td></td></tr>
        </tbody>
      </table>
      <p><strong>${sameNetwork ? approve.sameNetwork : approve.otherNetwork}</strong></p>
      ${this.#isClaimed ? this.#digits(flow) : this.#choices(flow)}`;
  }

  /** Refusing comes first, so that who only presses Enter refuses. */
  #choices(flow: ExistingDeviceFlow): TemplateResult {
    const { approve } = texts();
    return html`<div class="actions">
      ${this.#denials(flow)}
      <button type="button" class="plain" ?disabled=${this.isBusy} @click=${() => this.#claim(flow)}>${approve.itIsMe}</button>
    </div>`;
  }

  #denials(flow: ExistingDeviceFlow): TemplateResult {
    const { approve } = texts();
    return html`<button type="button" ?disabled=${this.isBusy} @click=${() => this.#deny(flow, false)}>${approve.notMe}</button>
      <button type="button" class="danger" ?disabled=${this.isBusy} @click=${() => this.#deny(flow, true)}>${approve.report}</button>`;
  }

  #digits(flow: ExistingDeviceFlow): TemplateResult {
    const { approve } = texts();
    const waitMs = Date.parse(flow.request.approvableAt) - Date.now();
    if (waitMs > 0) setTimeout(() => this.update(), Math.min(waitMs, 1000));
    return html`<form @submit=${onSubmit(({ digits = '' }) => this.#approve(flow, digits))}>
        ${field({ name: 'digits', label: approve.digits, hint: approve.digitsHint, inputMode: 'numeric' })}
        ${waitMs > 0 ? html`<p>${fill(approve.wait, { seconds: Math.ceil(waitMs / 1000) })}</p>` : nothing}
        <button ?disabled=${this.isBusy || waitMs > 0}>${approve.link}</button>
      </form>
      <div class="actions">${this.#denials(flow)}</div>`;
  }

  #open(text: string): void {
    const { approve } = texts();
    void this.act(async () => {
      this.#flow = await this.#vyry?.devices.openScannedLink(text);
    }, approve.refusals);
  }

  #openRequest(linkId: string): void {
    void this.act(async () => {
      this.#flow = await this.#vyry?.devices.openApproval(linkId);
    }, texts().approve.refusals);
  }

  #claim(flow: ExistingDeviceFlow): void {
    const vyry = this.#vyry;
    if (vyry === undefined) return;
    void this.act(async () => {
      await withStepUp(vyry, () => flow.claim());
      this.#isClaimed = true;
    }, texts().approve.refusals).then(() => this.querySelector('input')?.focus());
  }

  #approve(flow: ExistingDeviceFlow, digits: string): void {
    void this.act(async () => {
      await flow.approve(digits.replace(/\s/g, ''));
      this.#outcome = flow.request.kind === 'link' ? 'linked' : 'approved';
    }, texts().approve.refusals);
  }

  #deny(flow: ExistingDeviceFlow, isReported: boolean): void {
    void this.act(async () => {
      await flow.deny({ isReported });
      this.#outcome = isReported ? 'reported' : 'denied';
    });
  }
}

customElements.define('vyry-link-device', LinkDevice);
