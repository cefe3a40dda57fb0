/** Reading a QR code with the camera where the browser can, and by pasting its text everywhere. */
import { html, nothing, type TemplateResult } from 'lit-html';
import { field, onSubmit } from './forms.ts';
import { View } from './screen.ts';
import { texts } from './texts.ts';

/** The Barcode Detection API (https://wicg.github.io/shape-detection-api), which not every browser has. */
interface Detector {
  detect(source: HTMLVideoElement): Promise<{ rawValue: string }[]>;
}
interface DetectorConstructor {
  new (options: { formats: string[] }): Detector;
  getSupportedFormats(): Promise<string[]>;
}
declare global {
  var BarcodeDetector: DetectorConstructor | undefined;
}

/** Between two looks at the picture of the camera. */
const lookMs = 200;

/** The element `vyry-scan`: it fires `scan` with the text as detail. */
class Scan extends View {
  #canScan = false;
  #stream: MediaStream | undefined;
  #isRefused = false;
  /** Shows what is to be scanned or pasted. */
  label = '';

  protected override opened(): void {
    void this.#findDetector();
  }

  override disconnectedCallback(): void {
    this.#stop();
    super.disconnectedCallback();
  }

  async #findDetector(): Promise<void> {
    const formats = (await globalThis.BarcodeDetector?.getSupportedFormats()) ?? [];
    this.#canScan = formats.includes('qr_code') && navigator.mediaDevices !== undefined;
    this.update();
  }

  protected override view(): TemplateResult {
    const { scan } = texts();
    return html`${this.#camera()}
      <form @submit=${onSubmit(({ text = '' }) => this.#found(text.trim()))}>
        ${field({ name: 'text', label: this.label, hint: scan.pasteHint })}
        <button>${scan.submit}</button>
      </form>`;
  }

  #camera(): TemplateResult | typeof nothing {
    const { scan } = texts();
    if (!this.#canScan) return nothing;
    if (this.#isRefused) return html`<p>${scan.refused}</p>`;
    if (this.#stream === undefined)
      return html`<p><button type="button" @click=${() => void this.#start()}>${scan.camera}</button></p>`;
    return html`<video class="camera" aria-label=${scan.picture} autoplay playsinline muted .srcObject=${this.#stream}></video>
      <p><button type="button" class="plain" @click=${this.#stop}>${scan.stop}</button></p>`;
  }

  async #start(): Promise<void> {
    try {
      const video = { facingMode: 'environment' };
      this.#stream = await navigator.mediaDevices.getUserMedia({ video });
    } catch {
      // no camera, or the person does not allow it: there is the field
      this.#isRefused = true;
    }
    this.update();
    void this.#look();
  }

  async #look(): Promise<void> {
    const detector = globalThis.BarcodeDetector && new globalThis.BarcodeDetector({ formats: ['qr_code'] });
    while (detector && this.#stream) {
      await new Promise((resolve) => setTimeout(resolve, lookMs));
      const video = this.querySelector('video');
      const [code] = video?.readyState === HTMLMediaElement.HAVE_ENOUGH_DATA ? await detector.detect(video) : [];
      if (code && this.#stream) this.#found(code.rawValue);
    }
  }

  #found(text: string): void {
    this.#stop();
    this.dispatchEvent(new CustomEvent('scan', { detail: text }));
  }

  #stop = (): void => {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = undefined;
    this.update();
  };
}

customElements.define('vyry-scan', Scan);
