/** Refusals in words: what is wrong, what to do, and when it can succeed. */
import { html, nothing, type TemplateResult } from 'lit-html';
import { VyryError } from '../client/errors.ts';
import { fill, formatTime, texts } from './texts.ts';

/** A refusal that is shown. */
export interface Problem {
  text: string;
  /** When a repeat can succeed, in milliseconds since the Unix epoch. */
  retryAt: number | undefined;
  attemptsLeft: number | undefined;
  /** What the server says about each field of the form. */
  details: { path: string; message: string }[];
  requestId: string | undefined;
}

/** Returns what to show for an error. `hints` has texts for codes that a screen knows better. */
export function problemOf(err: unknown, hints: Record<string, string> = {}): Problem {
  if (!(err instanceof VyryError)) {
    console.error(err);
    return {
      text: texts().problems.INTERNAL_ERROR,
      retryAt: undefined,
      attemptsLeft: undefined,
      details: [],
      requestId: undefined,
    };
  }
  const known: Record<string, string> = { ...texts().problems, ...hints };
  const { retryAfterSeconds, attemptsLeft, fields } = err;
  return {
    text: known[err.code] ?? err.message,
    retryAt: retryAfterSeconds === undefined ? undefined : Date.now() + retryAfterSeconds * 1000,
    attemptsLeft,
    details: Array.isArray(fields.details) ? fields.details : [],
    // an administrator can do nothing about what the person can correct
    requestId: (err.status ?? 0) >= 500 ? err.requestId : undefined,
  };
}

/** Shows a refusal. */
export function problemView({ text, retryAt, attemptsLeft, details, requestId }: Problem): TemplateResult {
  const { problems } = texts();
  return html`<div class="problem">
    <p>${text}</p>
    ${details.map(({ path, message }) => html`<p lang="en"><strong>${path}</strong> ${message}</p>`)}
    ${attemptsLeft === undefined ? nothing : html`<p>${fill(problems.attemptsLeft, { count: attemptsLeft })}</p>`}
    ${retryAt === undefined ? nothing : html`<p>${fill(problems.retryAt, { time: formatTime(retryAt) })}</p>`}
    ${requestId === undefined ? nothing : html`<p class="quiet">${fill(problems.reference, { requestId })}</p>`}
  </div>`;
}
