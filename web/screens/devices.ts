/** The devices of the account: names, removal, and the notifications of this one. */
import { html, nothing, type TemplateResult } from 'lit-html';
import type { Vyry } from '../../client/vyry.ts';
import { field, onSubmit } from '../forms.ts';
import { eraseInbox } from '../inbox.ts';
import { type PushState, readPushState, turnPushOff, turnPushOn } from '../push.ts';
import { addressOf } from '../router.ts';
import { Screen } from '../screen.ts';
import { withStepUp } from '../step-up.ts';
import { fill, formatTime, texts } from '../texts.ts';
import { noteAccountChanged, openVyry, readAccount } from '../vyry.ts';
import '../device-needed.ts';

type Device = Awaited<ReturnType<Vyry['devices']['list']>>[number];

/** The element `vyry-devices`. */
class Devices extends Screen {
  #vyry: Vyry | undefined;
  #devices: Device[] | undefined;
  #push: PushState = 'unsupported';
  /** The device that is renamed or about to be removed. */
  #open: { deviceId: string; act: 'rename' | 'remove' } | undefined;
  /** A removed device knows the identity key, and the key was not replaced. */
  #isRotationDue = false;

  override heading(): string {
    return texts().titles.devices;
  }

  protected override opened(): void {
    void this.act(async () => {
      this.#vyry = await openVyry();
      this.ended.addEventListener(
        'abort',
        this.#vyry.on('devices-changed', () => void this.#load()),
      );
      this.#push = await readPushState();
      await this.#load();
    });
  }

  async #load(): Promise<void> {
    this.#devices = await this.#vyry?.devices.list();
    this.update();
  }

  protected override content(): TemplateResult | typeof nothing {
    const { devices } = texts();
    if (this.#devices === undefined) return nothing;
    const hasOwn = this.#devices.some(({ current }) => current);
    return html`${hasOwn ? nothing : html`<vyry-device-needed></vyry-device-needed>`}
      ${this.#isRotationDue ? this.#rotation() : nothing}
      <ul class="cards">${this.#devices.map((device) => html`<li>${this.#card(device)}</li>`)}</ul>
      ${hasOwn ? html`<p><a class="button" href=${addressOf('link-device')}>${devices.link}</a></p>${this.#notifications()}` : nothing}`;
  }

  #card(device: Device): TemplateResult {
    const { devices } = texts();
    const { deviceId, name, client, createdAt, lastSeenAt, current, probationUntil, push } = device;
    const opened = this.#open?.deviceId === deviceId ? this.#open.act : undefined;
    return html`<h2 dir="auto">${name}</h2>
      ${current ? html`<p><strong>${devices.current}</strong></p>` : nothing}
      <dl>
        <dt>${devices.kind}</dt><dd>${client}</dd>
        <dt>${devices.added}</dt><dd>${formatTime(createdAt)}</dd>
        <dt>${devices.lastSeen}</dt><dd>${formatTime(lastSeenAt)}</dd>
        ${probationUntil === undefined ? nothing : html`<dt>${devices.probation}</dt><dd>${fill(devices.probationHint, { time: formatTime(probationUntil) })}</dd>`}
        <dt>${devices.push}</dt><dd>${this.#pushResult(push)}</dd>
      </dl>
      ${opened === 'rename' ? this.#renameForm(device) : nothing}
      ${opened === 'remove' ? this.#removeForm(device) : nothing}
      ${opened === undefined ? this.#actions(device) : nothing}`;
  }

  #pushResult(push: Device['push']): string {
    const { devices } = texts();
    if (push === undefined) return devices.pushNone;
    const results: Record<string, string> = devices.pushResults;
    if (push.lastResult === null || push.lastAt === null) return devices.pushUntried;
    return `${results[push.lastResult] ?? push.lastResult}, ${formatTime(push.lastAt)}`;
  }

  #actions({ deviceId, name }: Device): TemplateResult {
    const { devices } = texts();
    const begin = (act: 'rename' | 'remove') => () => {
      this.#open = { deviceId, act };
      this.update();
    };
    return html`<div class="actions">
      <button type="button" class="plain" aria-label=${`${devices.rename}: ${name}`} @click=${begin('rename')}>${devices.rename}</button>
      <button type="button" class="danger" aria-label=${`${devices.remove}: ${name}`} @click=${begin('remove')}>${devices.remove}</button>
    </div>`;
  }

  #renameForm({ deviceId, name: value }: Device): TemplateResult {
    const { devices } = texts();
    return html`<form @submit=${onSubmit(({ name = '' }) => this.#rename(deviceId, name))}>
      ${field({ name: 'name', label: devices.name, value })}
      <div class="actions">
        <button ?disabled=${this.isBusy}>${devices.save}</button>
        ${this.#cancelButton()}
      </div>
    </form>`;
  }

  #removeForm({ deviceId, current }: Device): TemplateResult {
    const { devices } = texts();
    return html`<p>${current ? devices.removeCurrent : devices.removeOther}</p>
      <div class="actions">
        ${this.#cancelButton()}
        <button type="button" class="danger" ?disabled=${this.isBusy} @click=${() => this.#remove(deviceId, current)}>${devices.remove}</button>
      </div>`;
  }

  #cancelButton(): TemplateResult {
    return html`<button type="button" class="plain" @click=${this.#close}>${texts().devices.cancel}</button>`;
  }

  #close = (): void => {
    this.#open = undefined;
    this.update();
  };

  #rename(deviceId: string, name: string): void {
    void this.act(async () => {
      await this.#vyry?.devices.rename(deviceId, name);
      this.#open = undefined;
      await this.#load();
    });
  }

  #remove(deviceId: string, isCurrent: boolean): void {
    const vyry = this.#vyry;
    if (vyry === undefined) return;
    void this.act(async () => {
      const { userId } = await readAccount();
      const { rotationAdvised, isRotated } = await vyry.devices.remove(deviceId);
      this.#open = undefined;
      if (isCurrent) {
        await vyry.signOut();
        if (userId !== undefined) await eraseInbox(userId);
        return noteAccountChanged();
      }
      this.#isRotationDue = rotationAdvised && !isRotated;
      if (isRotated) this.notify(texts().devices.rotated);
      await this.#load();
    });
  }

  #rotation(): TemplateResult {
    const { devices } = texts();
    return html`<div class="problem"><p>${devices.rotationDue}</p>
      <button type="button" ?disabled=${this.isBusy} @click=${this.#rotate}>${devices.rotate}</button></div>`;
  }

  #rotate = (): void => {
    const vyry = this.#vyry;
    if (vyry === undefined) return;
    void this.act(async () => {
      await withStepUp(vyry, () => vyry.rotateIdentity());
      this.#isRotationDue = false;
      this.notify(texts().devices.rotated);
    });
  };

  #notifications(): TemplateResult {
    const { push } = texts();
    return html`<h2>${push.title}</h2>
      <p>${push.intro}</p>
      <p role="status">${push.states[this.#push]}</p>
      <div class="actions">
        ${this.#push === 'off' ? html`<button type="button" ?disabled=${this.isBusy} @click=${() => this.#turn(turnPushOn)}>${push.turnOn}</button>` : nothing}
        ${
          this.#push === 'on'
            ? html`<button type="button" ?disabled=${this.isBusy} @click=${this.#testPush}>${push.test}</button>
          <button type="button" class="plain" ?disabled=${this.isBusy} @click=${() => this.#turn(turnPushOff)}>${push.turnOff}</button>`
            : nothing
        }
      </div>`;
  }

  #turn(turn: (vyry: Vyry) => Promise<PushState>): void {
    const vyry = this.#vyry;
    if (vyry === undefined) return;
    void this.act(
      async () => {
        this.#push = await turn(vyry);
        await this.#load();
      },
      { NOT_FOUND: texts().push.notOffered },
    );
  }

  #testPush = (): void => {
    void this.act(async () => {
      const answer = await this.#vyry?.calls.testPush();
      if (answer === undefined) return;
      const { devices, push } = texts();
      this.notify(fill(push.tested, { result: devices.pushResults[answer.result], message: answer.message ?? '' }));
      await this.#load();
    });
  };
}

customElements.define('vyry-devices', Devices);
