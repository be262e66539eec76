// Which catalogue is in use. Only that one is loaded; choosing another loads it and redraws the page, nothing is reloaded.
// The first choice is the reader's setting, else the browser's languages, else English.
import type { Texts } from './en.ts';

/** A language that the page has words in. */
export type Language = 'en' | 'de';

/** All of them with their own names. */
export const languages: readonly (readonly [Language, string])[] = [['en', 'English'], ['de', 'Deutsch']];

const load: Record<Language, () => Promise<Texts>> = {
  en: async () => (await import('./en.ts')).en,
  de: async () => (await import('./de.ts')).de,
};

const key = 'moorline.language';
const tags: readonly string[] = typeof navigator === 'undefined' ? [] : navigator.languages;
const isLanguage = (tag: string | null | undefined): tag is Language => languages.some(([one]) => one === tag);
const main = (tag: string) => tag.split('-')[0] ?? '';

/** The language that a list of tags asks for, the most wanted first. */
export function wantedLanguage(wanted: readonly string[]): Language {
  return wanted.map(main).find(isLanguage) ?? 'en';
}

function kept(): Language | undefined {
  try {
    const tag = localStorage.getItem(key);
    return isLanguage(tag) ? tag : undefined;
  } catch {
    return undefined;
  }
}

const first = kept() ?? wantedLanguage(tags);
// A catalogue that cannot be fetched must not leave the reader without a page.
const firstTexts = await load[first]().catch(() => load[first === 'en' ? 'de' : 'en']());

let texts = $state.raw<Texts>(firstTexts);
/** Undefined while the page follows the browser. */
let chosen = $state.raw<Language | undefined>(kept());

/** The words of the page. Reading one in a view follows the language. */
export const t: Texts = new Proxy({} as Texts, { get: (_, section) => texts[section as keyof Texts] });

/** The reader's setting; undefined where the browser's languages decide. */
export const language = (): Language | undefined => chosen;

/** The locale for dates and numbers: the reader's own where it is of the catalogue's language. */
export const locale = (): string => tags.find((tag) => main(tag) === main(texts.locale)) ?? texts.locale;

/** Speaks the language of the page around it, from now on; nothing is kept on the device. Undefined follows the browser. */
export async function followLanguage(tag: string | undefined): Promise<void> {
  texts = await load[wantedLanguage(tag ? [tag] : tags)]();
}

/**
 * Speaks another language from now on; undefined follows the browser again. Kept on this device.
 * Rejects, and changes nothing, where the words could not be fetched.
 */
export async function setLanguage(wanted: Language | undefined): Promise<void> {
  texts = await load[wanted ?? wantedLanguage(tags)]();
  chosen = wanted;
  try {
    if (wanted) localStorage.setItem(key, wanted);
    else localStorage.removeItem(key);
  } catch {
    // Storage is switched off: the choice lasts as long as the tab.
  }
}
