// The catalogue in use. With a second language this chooses by the reader's settings; today there is one.
import { en, type Texts } from './en.ts';

const catalogues: Record<string, Texts> = { en };

function choose(wanted: readonly string[]): Texts {
  for (const tag of wanted) {
    const found = catalogues[tag.split('-')[0] ?? ''];
    if (found) return found;
  }
  return en;
}

const wanted: readonly string[] = typeof navigator === 'undefined' ? [] : navigator.languages;

/** The words of the page in the reader's language. */
export const t: Texts = choose(wanted);

/** The locale for dates and numbers: the reader's own where it is of the catalogue's language. */
export const locale: string =
  wanted.find((tag) => tag.split('-')[0] === t.locale.split('-')[0]) ?? t.locale;
