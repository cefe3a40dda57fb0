/** The data of the account: its export and its deletion. */
import { html, type TemplateResult } from 'lit-html';
import { onSubmit } from '../forms.ts';
import { Screen } from '../screen.ts';
import { withStepUp } from '../step-up.ts';
import { fill, formatTime, texts } from '../texts.ts';
import { openVyry } from '../vyry.ts';

/** The element `vyry-data`. */
class Data extends Screen {
  #deletionAt: string | undefined;
  /** Reads the receipt of the deletion, also when the account is gone. */
  #receipt: { deletionId: string; deletionToken: string } | undefined;

  override heading(): string {
    return texts().titles.data;
  }

  protected override opened(): void {
    void this.act(async () => {
      this.#deletionAt = (await (await openVyry()).profile.read()).deletionAt;
    });
  }

  protected override content(): TemplateResult {
    const { data } = texts();
    return html`<h2>${data.export}</h2>
      <p>${data.exportHint}</p>
      <button type="button" ?disabled=${this.isBusy} @click=${() => void this.#export()}>${data.download}</button>
      <h2>${data.delete}</h2>
      ${this.#deletionAt === undefined ? this.#deleteForm() : this.#planned(this.#deletionAt)}`;
  }

  #deleteForm(): TemplateResult {
    const { data } = texts();
    return html`<p>${data.deleteHint}</p>
      <form @submit=${onSubmit(() => void this.#delete())}>
        <p><label><input type="checkbox" required> ${data.understood}</label></p>
        <button class="danger" ?disabled=${this.isBusy}>${data.deleteNow}</button>
      </form>`;
  }

  #planned(at: string): TemplateResult {
    const { data } = texts();
    return html`<p>${fill(data.planned, { time: formatTime(at) })}</p>
      ${
        this.#receipt
          ? html`<p>${data.receipt}</p>
            <dl>
              <dt>${data.deletionId}</dt><dd>${this.#receipt.deletionId}</dd>
              <dt>${data.deletionToken}</dt><dd>${this.#receipt.deletionToken}</dd>
            </dl>`
          : ''
      }
      <button type="button" ?disabled=${this.isBusy} @click=${() => void this.#stop()}>${data.stop}</button>`;
  }

  async #export(): Promise<void> {
    const { data } = texts();
    const isDone = await this.act(
      async () => {
        const vyry = await openVyry();
        const all = await withStepUp(vyry, () => vyry.calls.exportAccount());
        save('vyry-export.json', JSON.stringify(all, null, 2));
      },
      { FORBIDDEN: data.probation },
    );
    if (isDone) this.notify(data.exported);
  }

  async #delete(): Promise<void> {
    await this.act(async () => {
      const vyry = await openVyry();
      const { effectiveAt, ...receipt } = await withStepUp(vyry, () => vyry.calls.deleteAccount());
      this.#deletionAt = effectiveAt;
      this.#receipt = receipt;
    });
  }

  async #stop(): Promise<void> {
    const isStopped = await this.act(async () => {
      await (await openVyry()).calls.stopAccountDeletion();
      this.#deletionAt = undefined;
      this.#receipt = undefined;
    });
    if (isStopped) this.notify(texts().data.stopped);
  }
}

/** Gives the browser a file to save. */
function save(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  URL.revokeObjectURL(url);
}

customElements.define('vyry-data', Data);
