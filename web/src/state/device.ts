// A plain name for a device from what a browser says of itself: 'Chromium on Linux'. Pure, and only for a list.
import { t } from '../text/index.ts';

const browsers: readonly [RegExp, string][] = [
  [/Edg\//, 'Edge'], [/OPR\//, 'Opera'], [/Firefox\/|FxiOS\//, 'Firefox'],
  [/Chromium\/|Chrome\/|CriOS\//, 'Chrome'], [/Safari\//, 'Safari'],
];
const systems: readonly [RegExp, string][] = [
  [/iPhone/, 'iPhone'], [/iPad/, 'iPad'], [/Android/, 'Android'], [/Windows/, 'Windows'],
  [/Mac OS X|Macintosh/, 'macOS'], [/CrOS/, 'ChromeOS'], [/Linux/, 'Linux'],
];

const first = (list: readonly [RegExp, string][], text: string) => list.find(([pattern]) => pattern.test(text))?.[1];

/** Names a device; a word that is no browser's description stays as it is. */
export function deviceName(description: string | undefined): string {
  if (!description) return t.settings.unknownDevice;
  if (!description.startsWith('Mozilla/')) return description;
  return [first(browsers, description), first(systems, description)].filter(Boolean).join(' · ') || t.settings.unknownDevice;
}

/** True for devices that one holds in a hand. */
export function isHandheld(description: string | undefined): boolean {
  return /iPhone|Android|Mobile/.test(description ?? '');
}
