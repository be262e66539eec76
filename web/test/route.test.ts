// Every place has an address, and an address that makes no sense is the list.
import { expect, test } from 'vitest';
import { formatRoute, parseRoute, type Route } from '../src/state/route.ts';

const places: [string, Route][] = [
  ['#/', { at: 'rooms' }],
  ['#/room/harbour', { at: 'room', id: 'harbour', panel: false }],
  ['#/room/harbour/details', { at: 'room', id: 'harbour', panel: true }],
  ['#/room/a%2Fb/at/17/0193-5be2a610', { at: 'room', id: 'a/b', panel: false, message: { seq: 17, id: '0193-5be2a610' } }],
  ['#/search', { at: 'search' }],
  ['#/search/harbour', { at: 'search', room: 'harbour' }],
  ['#/settings', { at: 'settings' }],
  ['#/settings/profile', { at: 'settings', tab: 'profile' }],
  ['#/settings/appearance', { at: 'settings', tab: 'appearance' }],
  ['#/signin', { at: 'signin' }],
  ['#/signup', { at: 'signup' }],
  ['#invite=abc.def.ghi', { at: 'signup', invite: 'abc.def.ghi' }],
];

test.each(places)('%s is a place, and the place has that address', (hash, route) => {
  expect(parseRoute(hash)).toEqual(route);
  expect(formatRoute(route)).toBe(hash);
});

test('a place in a room without a number or a message is the room', () => {
  for (const hash of ['#/room/x/at/', '#/room/x/at/0/id', '#/room/x/at/-3/id', '#/room/x/at/seven/id', '#/room/x/at/7']) {
    expect(parseRoute(hash), hash).toEqual({ at: 'room', id: 'x', panel: false });
  }
});

test('what is no address at all is the list', () => {
  for (const hash of ['', '#', '#/room', '#/room/', '#/nowhere', '#invite=']) expect(parseRoute(hash), hash).toEqual({ at: 'rooms' });
  expect(parseRoute('#/settings/nothing')).toEqual({ at: 'settings' });
  expect(parseRoute('#/room/%E0%A4%A')).toEqual({ at: 'room', id: '%E0%A4%A', panel: false });
});
