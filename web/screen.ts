/** The base of every screen: a custom element that renders a template of Lit into itself, without a shadow root. */
import { html, nothing, render, type TemplateResult } from 'lit-html';
import { type Problem, problemOf, problemView } from './problems.ts';
import { languageChanged } from './texts.ts';

/** A part of the page. It renders when it is connected, when its language changes, and on `update`. */
export abstract class View extends HTMLElement {
  #isScheduled = false;
  #ended = new AbortController();

  /** Aborts when the element leaves the page: pass it to listeners, calls and timers. */
  protected get ended(): AbortSignal {
    return this.#ended.signal;
  }

  connectedCallback(): void {
    this.#ended = new AbortController();
    languageChanged.addEventListener('change', () => this.update(), { signal: this.ended });
    this.update();
    this.opened();
  }

  disconnectedCallback(): void {
    this.#ended.abort();
  }

  /** Called once the element is on the page; a screen starts to load here. */
  protected opened(): void {}

  /** Returns what the element shows now. */
  protected abstract view(): TemplateResult | typeof nothing;

  /** Renders soon; calls in between are one. */
  update(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (this.isConnected) render(this.view(), this);
    });
  }
}

/**
 * A screen: a view with a title that does one act at a time. While it acts its form is busy, and a refusal is shown with
 * what to do about it.
 */
export abstract class Screen extends View {
  /** An act is in progress. */
  protected isBusy = false;
  #problem: Problem | undefined;
  #notice = '';

  /** The heading, which is the title of the document too. */
  abstract heading(): string;

  /** Returns what stands below the heading. */
  protected abstract content(): TemplateResult | typeof nothing;

  /**
   * Runs an act of the person, unless one is in progress. A refusal is shown; `hints` replaces the text for a code in
   * this screen. Resolves to whether it succeeded.
   */
  protected async act(run: () => Promise<void>, hints: Record<string, string> = {}): Promise<boolean> {
    if (this.isBusy) return false;
    const focused = document.activeElement;
    this.isBusy = true;
    this.#problem = undefined;
    this.#notice = '';
    this.update();
    try {
      await run();
      return true;
    } catch (err) {
      if (!this.ended.aborted) this.#problem = problemOf(err, hints);
      return false;
    } finally {
      this.isBusy = false;
      this.update();
      queueMicrotask(() => this.#keepFocus(focused));
    }
  }

  /** A button that was disabled or is gone has lost the focus: it comes back, or goes to the heading of what is new. */
  #keepFocus(before: Element | null): void {
    if (before === document.body || document.activeElement !== document.body) return;
    if (before instanceof HTMLElement && before.isConnected) before.focus();
    if (document.activeElement === document.body) this.querySelector<HTMLElement>('h2[tabindex], h1')?.focus();
  }

  /** Tells that something has succeeded, also to screen readers. */
  protected notify(text: string): void {
    this.#notice = text;
    this.update();
  }

  /** Shows what the last act came to. */
  protected feedback(): TemplateResult {
    return html`<p class="notice" role="status">${this.#notice}</p>
      <div role="alert">${this.#problem ? problemView(this.#problem) : nothing}</div>`;
  }

  protected override view(): TemplateResult {
    return html`<h1 tabindex="-1">${this.heading()}</h1>
      ${this.feedback()}
      ${this.content()}`;
  }
}
