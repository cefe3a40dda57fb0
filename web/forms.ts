/** Parts of forms. */
import { html, nothing, type TemplateResult } from 'lit-html';

/** What a field of a form is. Its name is that of its value in `valuesOf`. */
export interface Field {
  name: string;
  /** Unique on the page; the name by default. */
  id?: string;
  label: string;
  hint?: string;
  type?: 'text' | 'password' | 'email' | 'tel';
  /** The kind of value, by which browsers and password managers fill it in (HTML, autofill field names). */
  autocomplete?: string;
  inputMode?: 'text' | 'numeric' | 'tel' | 'email';
  value?: string | undefined;
  isRequired?: boolean;
}

/** What a field with given values is. */
interface ChoiceField {
  name: string;
  label: string;
  /** The labels by their values. */
  choices: Readonly<Record<string, string>>;
}

/** Shows a field with its label and hint. */
export function field(options: Field): TemplateResult {
  const { name, label, hint, type = 'text', autocomplete = 'off', inputMode, value = '', isRequired = true } = options;
  const { id = name } = options;
  const hintId = `${id}-hint`;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <input id=${id} name=${name} type=${type} autocomplete=${autocomplete} inputmode=${inputMode ?? nothing}
      .value=${value} ?required=${isRequired} aria-describedby=${hint ? hintId : nothing}
      autocapitalize="none" spellcheck="false" dir="auto">
    ${hint ? html`<p class="hint" id=${hintId}>${hint}</p>` : nothing}
  </div>`;
}

/** Handles the submission of a form with its values by name; empty fields are left out. */
export function onSubmit(handle: (values: Record<string, string>) => void): (event: SubmitEvent) => void {
  return (event) => {
    event.preventDefault();
    const values = [...new FormData(event.target as HTMLFormElement)].filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1] !== '',
    );
    handle(Object.fromEntries(values));
  };
}

/** Shows the field of a one-time code. Browsers offer the code of an SMS; a pasted code may have blanks. */
export function codeField(label: string): TemplateResult {
  return field({ name: 'code', label, autocomplete: 'one-time-code', inputMode: 'numeric' });
}

/** A field with one of some values, each with its label. The first is chosen at first. */
export function choiceField({ name, label, choices }: ChoiceField): TemplateResult {
  return html`<div class="field">
    <label for=${name}>${label}</label>
    <select id=${name} name=${name}>
      ${Object.entries(choices).map(([value, text]) => html`<option value=${value}>${text}</option>`)}
    </select>
  </div>`;
}
