/** The address of a QR code, opened in a browser: it does nothing, because somebody may have sent it. */
import { html, type TemplateResult } from 'lit-html';
import { Screen } from '../screen.ts';
import { texts } from '../texts.ts';

/** The element `vyry-link-opened`. */
class LinkOpened extends Screen {
  override heading(): string {
    return texts().titles['link-opened'];
  }

  protected override content(): TemplateResult {
    const { linkOpened } = texts();
    return html`<p>${linkOpened.how}</p><p>${linkOpened.warning}</p>`;
  }
}

customElements.define('vyry-link-opened', LinkOpened);
