/** The frame of the page: header, navigation, the screen of the route, footer. */
import { html, nothing, type TemplateResult } from 'lit-html';
import { hasCode } from '../client/errors.ts';
import './connection.ts';
import { problemOf, problemView } from './problems.ts';
import { addressOf, open } from './router.ts';
import { isOpenTo, type RouteName, routeOf } from './routes.ts';
import { Screen, View } from './screen.ts';
import { chooseLanguage, language, languages, texts } from './texts.ts';
import { type Account, accountChanged, readAccount } from './vyry.ts';

/** The first screen of those with a session, and of those without. */
const home = { in: 'chats', out: 'sign-in' } as const satisfies Record<'in' | 'out', RouteName>;

/** The links of the navigation, in order. */
const links = {
  in: ['chats', 'devices', 'account', 'security'],
  out: ['sign-in', 'register', 'link'],
} as const satisfies Record<'in' | 'out', readonly RouteName[]>;

/** The element `vyry-app`. */
export class App extends View {
  #account: Account | undefined;
  #screen: Element | undefined;
  #route: RouteName | undefined;
  /** The address of the screen, with its parameters. */
  #address = '';
  #failure: unknown;

  protected override opened(): void {
    for (const event of ['popstate', 'hashchange']) {
      addEventListener(event, () => void this.#show(), { signal: this.ended });
    }
    accountChanged.addEventListener('change', () => void this.#show(), { signal: this.ended });
    // the screen asked for the keys of this browser: with them it shows something else
    this.addEventListener('device-added', () => void this.#show({ isAnew: true }), { signal: this.ended });
    void this.#show();
  }

  protected override view(): TemplateResult | typeof nothing {
    const { frame } = texts();
    return html`
      <a class="skip" href="#main" @click=${this.#skip}>${frame.skip}</a>
      <header>
        <a class="brand" href="/app">Vyry</a>
        <nav aria-label=${frame.navigation}>${this.#links()}</nav>
      </header>
      <vyry-connection></vyry-connection>
      <main id="main" tabindex="-1">${this.#failure ? this.#refused() : (this.#screen ?? nothing)}</main>
      <footer>
        <label>${frame.language}
          <select @change=${(event: Event) => void chooseLanguage((event.target as HTMLSelectElement).value)}>
            ${Object.entries(languages).map(
              ([tag, { name }]) =>
                html`<option value=${tag} lang=${tag} ?selected=${tag === language()}>${name}</option>`,
            )}
          </select>
        </label>
      </footer>`;
  }

  #links(): TemplateResult[] {
    const { titles } = texts();
    const shown: readonly RouteName[] = this.#account?.isSignedIn ? links.in : links.out;
    return shown.map(
      (name) =>
        html`<a href=${addressOf(name)} aria-current=${name === this.#route ? 'page' : nothing}>${titles[name]}</a>`,
    );
  }

  /** Shows the screen of the address, or the one to which its person may go. */
  async #show({ isAnew = false } = {}): Promise<void> {
    try {
      this.#account = await readAccount();
      const side = this.#account.isSignedIn ? 'in' : 'out';
      const wanted = routeOf(location);
      if (wanted === undefined || !isOpenTo(wanted, side)) return open(home[side], { replaces: true });
      await import('./screens.ts');
      if (routeOf(location) !== wanted) return;
      this.#failure = undefined;
      if (isAnew || location.href !== this.#address) this.#place(wanted);
    } catch (err) {
      this.#failure = err;
    }
    this.update();
  }

  #place(name: RouteName): void {
    const isFirst = this.#route === undefined;
    const screen = document.createElement(`vyry-${name}`);
    this.#route = name;
    this.#address = location.href;
    this.#screen = screen;
    if (screen instanceof Screen) document.title = `${screen.heading()} · Vyry`;
    if (isFirst) return;
    // after both have rendered: a screen reader begins at the heading of the new screen
    setTimeout(() => screen.querySelector('h1')?.focus());
  }

  #refused(): TemplateResult {
    const { frame } = texts();
    if (!hasCode(this.#failure, 'STORE_LOCKED')) return problemView(problemOf(this.#failure));
    return html`<h1>${frame.openElsewhere}</h1>
      <p>${frame.openElsewhereHint}</p>
      <button type="button" @click=${() => void this.#show()}>${frame.tryAgain}</button>`;
  }

  #skip = (event: Event): void => {
    event.preventDefault();
    this.querySelector('main')?.focus();
  };
}
