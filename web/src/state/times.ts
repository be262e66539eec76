// Times in words, in the reader's own time zone. Pure: 'now' is an argument wherever it matters.
import { locale, t } from '../text/index.ts';

/** True where the reader's clock says a.m. and p.m. */
export const isTwelveHours: boolean = new Intl.DateTimeFormat(locale, { hour: 'numeric' }).resolvedOptions().hour12 === true;

const clockFormat = new Intl.DateTimeFormat(locale, { hour: isTwelveHours ? 'numeric' : '2-digit', minute: '2-digit' });
const fullFormat = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'short' });
const weekdayFormat = new Intl.DateTimeFormat(locale, { weekday: 'short' });
const longWeekdayFormat = new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long' });
const dateFormat = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });
const longDateFormat = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'long' });
const yearFormat = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric' });
const longYearFormat = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'long', year: 'numeric' });

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
  return clockFormat.format(at);
}

/** The whole date and time, for tool tips and screen readers. */
export function fullTime(at: number): string {
  return fullFormat.format(at);
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
  return (sameYear ? longWeekdayFormat : longYearFormat).format(at).replace(',', '');
}

/** A room row: '09:58' today, 'Yesterday', 'Mon' within a week, then '12 Nov', then with the year. */
export function shortWhen(at: number, now: number): string {
  const days = daysApart(at, now);
  if (days <= 0) return clock(at);
  if (days === 1) return t.yesterday;
  if (days < 7) return weekdayFormat.format(at);
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return (sameYear ? dateFormat : yearFormat).format(at);
}

/** In a sentence: '09:58' today, 'yesterday', else '2 November'. */
export function spokenWhen(at: number, now: number): string {
  const days = daysApart(at, now);
  if (days <= 0) return clock(at);
  if (days === 1) return t.yesterday.toLocaleLowerCase();
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return (sameYear ? longDateFormat : longYearFormat).format(at);
}

/** A length of time: '12 min', '3 h 12 min'. */
export function span(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return t.span.now;
  if (minutes < 60) return t.span.minutes(minutes);
  return t.span.hours(Math.floor(minutes / 60), minutes % 60);
}
