/**
 * The catalogue of texts: one file for each language in texts/. English says which texts there are, and the compiler
 * refuses a language that lacks one. A page loads one language.
 */
import type { english } from './texts/en.ts';

/** The texts of a language, in groups. */
export type Texts = typeof english;

/** A language of the page. */
interface Language {
  /** As it calls itself. */
  name: string;
  direction: 'ltr' | 'rtl';
  load: () => Promise<Texts>;
}

/** The languages by their BCP 47 tags. */
export const languages = {
  en: { name: 'English', direction: 'ltr', load: async () => (await import('./texts/en.ts')).english },
  ar: { name: 'العربية', direction: 'rtl', load: async () => (await import('./texts/ar.ts')).arabic },
  de: { name: 'Deutsch', direction: 'ltr', load: async () => (await import('./texts/de.ts')).german },
  es: { name: 'Español', direction: 'ltr', load: async () => (await import('./texts/es.ts')).spanish },
} as const satisfies Record<string, Language>;

type Tag = keyof typeof languages;

/** Fires `change` when the page has another language. */
export const languageChanged = new EventTarget();

const storageKey = 'vyry-language';
let current: { tag: Tag; texts: Texts } | undefined;

/** Returns the texts of the page's language. */
export function texts(): Texts {
  if (current === undefined) throw new Error('no language is chosen yet');
  return current.texts;
}

/** Returns the BCP 47 tag of the page's language, for `Intl`. */
export function language(): string {
  return current?.tag ?? 'en';
}

/** Returns the language that was chosen here before, else the first of the browser's that there is, else English. */
export function preferredLanguage(): Tag {
  const wanted = [localStorage.getItem(storageKey), ...navigator.languages];
  return wanted.map((tag) => tag?.split('-')[0]).find(isTag) ?? 'en';
}

/** Loads a language and shows the page in it. It is kept for the next time. */
export async function chooseLanguage(tag: string): Promise<void> {
  if (!isTag(tag)) return;
  current = { tag, texts: await languages[tag].load() };
  localStorage.setItem(storageKey, tag);
  document.documentElement.lang = tag;
  document.documentElement.dir = languages[tag].direction;
  languageChanged.dispatchEvent(new Event('change'));
}

/** Puts values into the `{places}` of a text. */
export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
}

/** Returns a point in time as people write it: the time for today, else with the date. */
export function formatTime(time: string | number | Date): string {
  const date = new Date(time);
  const isToday = date.toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(language(), { ...(!isToday && { dateStyle: 'medium' }), timeStyle: 'short' }).format(
    date,
  );
}

/** Returns a number of seconds as people say it, such as `in 2 minutes`. */
export function formatWait(seconds: number): string {
  const units = [
    ['day', 86_400],
    ['hour', 3_600],
    ['minute', 60],
    ['second', 1],
  ] as const;
  const [unit, length] = units.find(([, one]) => Math.abs(seconds) >= 2 * one) ?? ['second', 1];
  return new Intl.RelativeTimeFormat(language(), { numeric: 'always' }).format(Math.ceil(seconds / length), unit);
}

function isTag(tag: string | null | undefined): tag is Tag {
  return typeof tag === 'string' && Object.hasOwn(languages, tag);
}
