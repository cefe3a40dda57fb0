/** The entry of the page at `/app`: it chooses the language, then shows the frame. */
import { App } from './app.ts';
import { chooseLanguage, preferredLanguage } from './texts.ts';

await chooseLanguage(preferredLanguage());
customElements.define('vyry-app', App);
