import type { MessageItem, TimelineItem } from '@moorline/client';
import { expect, test } from 'vitest';
import { RowMaker, type Row } from '../src/state/rows.ts';

const noon = new Date(2026, 10, 20, 12, 0).getTime();
const minute = 60_000;

function message(seq: number, from: string, atMinute: number, more: Partial<MessageItem> = {}): MessageItem {
  return { type: 'message', key: `m${seq}`, seq, id: `m${seq}`, from, mine: from === 'me', at: noon + atMinute * minute, body: `text ${seq}`, state: 'sent', ...more };
}

const words = (rows: Row[]) => rows.map((row) => (row.is === 'message' ? `${row.item.seq}${row.first ? '<' : ''}${row.last ? '>' : ''}` : row.is)).join(' ');
const rowsOf = (items: TimelineItem[], newFrom?: number) => words(new RowMaker().make(items, newFrom));

test('messages of one person within five minutes are one group', () => {
  expect(rowsOf([message(1, 'ann', 0), message(2, 'ann', 4), message(3, 'bob', 5)])).toBe('day 1< 2> 3<>');
});

test('five minutes of silence end a group', () => {
  expect(rowsOf([message(1, 'ann', 0), message(2, 'ann', 5)])).toBe('day 1<> 2<>');
});

test('a day line stands before the first message of each day', () => {
  expect(rowsOf([message(1, 'ann', 0), message(2, 'ann', 24 * 60), message(3, 'ann', 24 * 60 + 1)])).toBe('day 1<> day 2< 3>');
});

test("the 'New' line stands before the first unread message of another, and breaks its group", () => {
  expect(rowsOf([message(1, 'ann', 0), message(2, 'ann', 1), message(3, 'ann', 2)], 2)).toBe('day 1<> new 2< 3>');
});

test("one's own message is never new", () => {
  expect(rowsOf([message(1, 'ann', 0), message(2, 'me', 1), message(3, 'ann', 2)], 2)).toBe('day 1<> 2<> new 3<>');
});

test('without anything unread there is no line', () => {
  expect(rowsOf([message(1, 'ann', 0)], undefined)).toBe('day 1<>');
});

test('a deleted message stands alone', () => {
  expect(rowsOf([message(1, 'ann', 0), message(2, 'ann', 1, { deleted: { seq: 3, at: noon } }), message(4, 'ann', 1)])).toBe('day 1<> 2<> 4<>');
});

test('a note of who joined breaks a group', () => {
  const note: TimelineItem = { type: 'member', key: 'e2', seq: 2, id: 'e2', from: 'ann', at: noon, changes: [{ user: 'bob', change: 'joined' }] };
  expect(rowsOf([message(1, 'ann', 0), note, message(3, 'ann', 0)])).toBe('day 1<> note 3<>');
});

test('a row that did not change is the same object as before', () => {
  const maker = new RowMaker();
  const first = message(1, 'ann', 0);
  const second = message(2, 'bob', 1);
  const before = maker.make([first, second]);
  const after = maker.make([first, second, message(3, 'bob', 2)]);
  expect(after[1]).toBe(before[1]);
  expect(after[2]).not.toBe(before[2]);
});

test('a queued message keeps its row when it is sent', () => {
  const maker = new RowMaker();
  const queued = message(0, 'me', 0, { key: 'cid', seq: undefined, cid: 'cid', state: 'queued' });
  const before = maker.make([queued]);
  const after = maker.make([{ ...queued, seq: 7, state: 'sent' }]);
  expect(after.map((row) => row.key)).toEqual(before.map((row) => row.key));
});

test('every key stands once', () => {
  const items = Array.from({ length: 40 }, (_, i) => message(i + 1, i % 3 ? 'ann' : 'bob', i * 200));
  const keys = new RowMaker().make(items, 20).map((row) => row.key);
  expect(new Set(keys).size).toBe(keys.length);
});
