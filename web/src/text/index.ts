// The door to the page's words: everything that speaks imports `t` from here and never a catalogue.
export type { Texts } from './en.ts';
export { followLanguage, language, languages, locale, setLanguage, t, wantedLanguage, type Language } from './language.svelte.ts';
