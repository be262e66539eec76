// Times in words, in the reader's own time zone. Pure: 'now' is an argument wherever it matters.
import { locale, t } from '../text/index.ts';

interface Formats {
  locale: string;
  isTwelveHours: boolean;
  clock: Intl.DateTimeFormat;
  full: Intl.DateTimeFormat;
  weekday: Intl.DateTimeFormat;
  longWeekday: Intl.DateTimeFormat;
  date: Intl.DateTimeFormat;
  longDate: Intl.DateTimeFormat;
  year: Intl.DateTimeFormat;
  longYear: Intl.DateTimeFormat;
  number: Intl.NumberFormat;
}

function make(locale: string): Formats {
  const format = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, options);
  const isTwelveHours = format({ hour: 'numeric' }).resolvedOptions().hour12 === true;
  return {
    locale,
    isTwelveHours,
    clock: format({ hour: isTwelveHours ? 'numeric' : '2-digit', minute: '2-digit' }),
    full: format({ dateStyle: 'full', timeStyle: 'short' }),
    weekday: format({ weekday: 'short' }),
    longWeekday: format({ weekday: 'long', day: 'numeric', month: 'long' }),
    date: format({ day: 'numeric', month: 'short' }),
    longDate: format({ day: 'numeric', month: 'long' }),
    year: format({ day: 'numeric', month: 'short', year: 'numeric' }),
    longYear: format({ day: 'numeric', month: 'long', year: 'numeric' }),
    number: new Intl.NumberFormat(locale),
  };
}

let made: Formats | undefined;

/** The formats of the locale in use; making them is dear, so they are kept until the language changes. */
function formats(): Formats {
  const wanted = locale();
  if (made?.locale !== wanted) made = make(wanted);
  return made;
}

/** True where the reader's clock says a.m. and p.m. */
export const isTwelveHours = (): boolean => formats().isTwelveHours;

/** '1,204', as the reader writes it. */
export const number = (n: number): string => formats().number.format(n);

const dayMs = 86_400_000;

function midnight(at: number): number {
  const day = new Date(at);
  return new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime();
}

function daysApart(at: number, now: number): number {
  return Math.round((midnight(now) - midnight(at)) / dayMs);
}

/** '09:58'. */
export function clock(at: number): string {
  return formats().clock.format(at);
}

/** The whole date and time, for tool tips and screen readers. */
export function fullTime(at: number): string {
  return formats().full.format(at);
}

/** True when both lie on one calendar day of the reader. */
export function isSameDay(a: number, b: number): boolean {
  return midnight(a) === midnight(b);
}

/** A day line: 'Today', 'Yesterday', 'Monday 16 November', with the year when it is another one. */
export function dayLabel(at: number, now: number): string {
  const days = daysApart(at, now);
  if (days === 0) return t.today;
  if (days === 1) return t.yesterday;
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return (sameYear ? formats().longWeekday : formats().longYear).format(at).replace(',', '');
}

/** A room row: '09:58' today, 'Yesterday', 'Mon' within a week, then '12 Nov', then with the year. */
export function shortWhen(at: number, now: number): string {
  const days = daysApart(at, now);
  if (days <= 0) return clock(at);
  if (days === 1) return t.yesterday;
  if (days < 7) return formats().weekday.format(at);
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return (sameYear ? formats().date : formats().year).format(at);
}

/** In a sentence: '09:58' today, 'yesterday', else '2 November'. */
export function spokenWhen(at: number, now: number): string {
  const days = daysApart(at, now);
  if (days <= 0) return clock(at);
  if (days === 1) return t.yesterday.toLocaleLowerCase();
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return (sameYear ? formats().longDate : formats().longYear).format(at);
}

/** A moment in a sentence: '09:58' today, 'yesterday, 09:58', else '2 November, 09:58'. */
export function spokenMoment(at: number, now: number): string {
  return isSameDay(at, now) ? clock(at) : `${spokenWhen(at, now)}, ${clock(at)}`;
}

/** A length of time: '12 min', '3 h 12 min'. */
export function span(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return t.span.now;
  if (minutes < 60) return t.span.minutes(minutes);
  return t.span.hours(Math.floor(minutes / 60), minutes % 60);
}
