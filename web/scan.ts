/** Reading a QR code with the camera, or by pasting its text. */
import { html, nothing, type TemplateResult } from 'lit-html';
import { field, onSubmit } from './forms.ts';
import { View } from './screen.ts';
import { texts } from './texts.ts';

/** The part of the Barcode Detection API that is used (https://wicg.github.io/shape-detection-api/). */
interface Detector {
  detect(source: HTMLVideoElement): Promise<{ rawValue: string }[]>;
}
interface DetectorConstructor {
  new (options: { formats: ['qr_code'] }): Detector;
  getSupportedFormats(): Promise<readonly string[]>;
}
declare global {
  var BarcodeDetector: DetectorConstructor | undefined;
}

/** Returns the detector of the browser, or one in JavaScript, which is loaded then: few browsers have their own. */
async function createDetector(): Promise<Detector> {
  const own = globalThis.BarcodeDetector;
  const hasOwn = (await own?.getSupportedFormats())?.includes('qr_code');
  const Detector = own && hasOwn ? own : (await import('qr/decode.js')).BarcodeDetector;
  return new Detector({ formats: ['qr_code'] });
}

/** Between two looks at the picture of the camera. */
const lookMs = 200;

/** The element `vyry-scan`: it fires `scan` with the text as detail. */
class Scan extends View {
  #stream: MediaStream | undefined;
  #isStarting = false;
  #isRefused = false;
  /** Shows what is to be scanned or pasted. */
  label = '';

  override disconnectedCallback(): void {
    this.#stop();
    super.disconnectedCallback();
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
    if (navigator.mediaDevices === undefined) return nothing;
    if (this.#isRefused) return html`<p>${scan.refused}</p>`;
    if (this.#stream === undefined)
      return html`<p><button type="button" ?disabled=${this.#isStarting} @click=${() => void this.#start()}>${scan.camera}</button></p>`;
    return html`<video class="camera" aria-label=${scan.picture} autoplay playsinline muted .srcObject=${this.#stream}></video>
      <p><button type="button" class="plain" @click=${this.#stop}>${scan.stop}</button></p>`;
  }

  async #start(): Promise<void> {
    this.#isStarting = true;
    this.update();
    try {
      const detector = await createDetector();
      this.#stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
      this.#isStarting = false;
      this.update();
      await this.#look(detector);
    } catch {
      // no camera, or the person does not allow it: there is the field
      this.#isRefused = true;
    } finally {
      this.#isStarting = false;
      this.#stop();
    }
  }

  async #look(detector: Detector): Promise<void> {
    // the screen may have been left while the person was asked
    while (this.#stream && this.isConnected) {
      await new Promise((resolve) => setTimeout(resolve, lookMs));
      const video = this.querySelector('video');
      const [code] = video?.readyState === HTMLMediaElement.HAVE_ENOUGH_DATA ? await detector.detect(video) : [];
      if (code && this.#stream) return this.#found(code.rawValue);
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
