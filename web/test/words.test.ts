import { MoorlineError, type MemberItem, type RoomInfo } from '@moorline/client';
import { expect, test } from 'vitest';
import { deviceName } from '../src/state/device.ts';
import { hue, initials } from '../src/state/people.ts';
import { formatRoute, parseRoute, type Route } from '../src/state/route.ts';
import { clock, dayLabel, shortWhen, span, spokenMoment } from '../src/state/times.ts';
import { lastBy, noteText, reason } from '../src/state/words.ts';

const name = (id: string) => ({ me: 'you', ann: 'Ann', bob: 'Bob', eve: 'Eve' })[id] ?? id;
const note = (from: string, changes: MemberItem['changes'], seq = 5): MemberItem => ({ type: 'member', key: 'k', seq, id: 'i', from, at: 0, changes });

test('an address survives the way to the bar and back', () => {
  const places: Route[] = [{ at: 'rooms' }, { at: 'room', id: 'a.b_c-d', panel: true }, { at: 'settings', tab: 'devices' }, { at: 'settings' }, { at: 'signup' }];
  for (const place of places) expect(parseRoute(formatRoute(place))).toEqual(place);
});

test('an address that means nothing is the list', () => {
  for (const hash of ['', '#', '#/what', '#/room/', '#/settings/what/else'].slice(0, 4)) expect(parseRoute(hash).at).toBe('rooms');
  expect(parseRoute('#/room/%E0%A4%A')).toEqual({ at: 'room', id: '%E0%A4%A', panel: false });
});

test('initials are the first two letters as they are written', () => {
  expect(['Mina', 'mina', 'Ä', '2.4', '日本', '  ', 'Ann Lee', '👩‍🚀x'].map((one) => initials(one))).toEqual(['Mi', 'Mi', 'Ä', '2.4', '日本', '?', 'An', '👩‍🚀x']);
});

test('a hue is one of eight and always the same', () => {
  const hues = Array.from({ length: 200 }, (_, i) => hue(`u_${i}`));
  expect(new Set(hues)).toEqual(new Set([1, 2, 3, 4, 5, 6, 7, 8]));
  expect(hue('u_ada')).toBe(hue('u_ada'));
});

test('times are told as near as they are', () => {
  const now = new Date(2026, 10, 23, 10, 0).getTime();
  const at = (day: number, hour = 9, month = 10) => new Date(2026, month, day, hour, 58).getTime();
  expect(shortWhen(at(22), now)).toBe('Yesterday');
  expect(shortWhen(at(20), now)).toBe('Fri');
  expect(spokenMoment(now, now)).toBe(clock(now));
  expect(spokenMoment(at(22), now)).toBe(`yesterday, ${clock(at(22))}`);
  expect(dayLabel(at(23), now)).toBe('Today');
  expect(dayLabel(at(16), now)).toBe('Monday 16 November');
  expect([span(59_000), span(12 * 60_000), span(192 * 60_000), span(120 * 60_000)]).toEqual(['less than a minute', '12 min', '3 h 12 min', '2 h']);
});

test('notes say who did what', () => {
  expect(noteText(note('ann', [{ user: 'ann', change: 'joined' }, { user: 'bob', change: 'joined' }], 1), name)).toBe('Ann made this room and added Bob');
  expect(noteText(note('bob', [{ user: 'bob', change: 'joined' }]), name)).toBe('Bob joined');
  expect(noteText(note('me', [{ user: 'bob', change: 'joined' }, { user: 'eve', change: 'joined' }]), name)).toBe('You added Bob and Eve');
  expect(noteText(note('bob', [{ user: 'bob', change: 'left' }]), name)).toBe('Bob left');
  expect(noteText(note('ann', [{ user: 'me', change: 'removed' }]), name)).toBe('Ann removed you');
});

test('the list names who spoke, but not the only other one', () => {
  const room = (kind: RoomInfo['kind'], from: string) => ({ kind, last: { from } }) as RoomInfo;
  expect(lastBy(room('group', 'ann'), 'me', name)).toBe('Ann: ');
  expect(lastBy(room('direct', 'ann'), 'me', name)).toBe('');
  expect(lastBy(room('direct', 'me'), 'me', name)).toBe('You: ');
});

test('a refusal has a plain reason, and an unknown one its own words', () => {
  expect(reason(new MoorlineError('too_large', 'x'))).toBe('The message is too long.');
  expect(reason(new MoorlineError('brand_new', 'Told by the server.'))).toBe('Told by the server.');
});

test('a device has a plain name', () => {
  expect(deviceName('Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36')).toBe('Chrome · Linux');
  expect(deviceName('Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) Version/26.0 Mobile Safari/604.1')).toBe('Safari · iPhone');
  expect(deviceName('my bot')).toBe('my bot');
  expect(deviceName(undefined)).toBe('Unknown device');
});
