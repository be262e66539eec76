// The page's languages: which one is chosen, that both speak of everything, and that a switch is heard at once.
import { expect, test } from 'vitest';
import { locale, setLanguage, t, wantedLanguage } from '../src/text/index.ts';
import { de } from '../src/text/de.ts';
import { en } from '../src/text/en.ts';
import { dayLabel, number, shortWhen } from '../src/state/times.ts';

type Words = { [key: string]: string | Words | ((...values: never[]) => string) };

/** Every word of a catalogue by its path; functions are called with plain values. */
function words(part: Words, path = ''): Map<string, string> {
  const all = new Map<string, string>();
  for (const [key, value] of Object.entries(part)) {
    const at = `${path}${key}`;
    if (typeof value === 'object') words(value, `${at}.`).forEach((text, inner) => all.set(inner, text));
    else all.set(at, typeof value === 'function' ? sample(value, at) : value);
  }
  return all;
}

function sample(say: (...values: never[]) => string, path: string): string {
  const values = path === 'talk.typing' ? [['Ann', 'Bob'], false] : ['3', '3'];
  return say(...(values as never[]));
}

test('a reader hears the first language that the page has', () => {
  expect(wantedLanguage(['fr-CH', 'de-AT', 'en'])).toBe('de');
  expect(wantedLanguage(['en-US', 'de'])).toBe('en');
  expect(wantedLanguage(['fr', 'ja'])).toBe('en');
  expect(wantedLanguage([])).toBe('en');
});

test('both catalogues say something everywhere, and the same keys are there', () => {
  const [english, german] = [words(en), words(de)];
  expect([...german.keys()].sort()).toEqual([...english.keys()].sort());
  for (const [key, text] of [...english, ...german]) expect(text.trim(), key).not.toBe('');
});

test('what is said in German is German', () => {
  const english = words(en);
  const same = [...words(de)].filter(([key, text]) => text === english.get(key) && /\s/.test(text)).map(([key]) => key);
  // Figures with a unit, names and what they say are written the same.
  expect(same.filter((key) => !/^span\.|^link\.seconds|^talk\.(spoken|messageBy)$|^search\.inRoom$/.test(key))).toEqual([]);
});

test('plurals are those of the language', () => {
  expect([en.talk.members(1), en.talk.members(2), en.talk.members(1204)]).toEqual(['1 member', '2 members', '1,204 members']);
  expect([de.talk.members(1), de.talk.members(2), de.talk.members(1204)]).toEqual(['1 Mitglied', '2 Mitglieder', '1.204 Mitglieder']);
});

test('a switch of the language changes words, dates and numbers at once', async () => {
  const monday = new Date(2026, 10, 16, 9, 5).getTime();
  const later = new Date(2026, 10, 18, 9, 5).getTime();
  const said = () => [t.close, dayLabel(monday, later), shortWhen(monday, later), number(1204)];
  expect(said()).toEqual(['Close', 'Monday 16 November', 'Mon', '1,204']);
  await setLanguage('de');
  expect(locale()).toMatch(/^de/);
  expect(said()).toEqual(['Schließen', 'Montag 16. November', 'Mo', '1.204']);
  await setLanguage('en');
  expect(t.close).toBe('Close');
});
