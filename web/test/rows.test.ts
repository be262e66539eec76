import type { MessageItem, TimelineItem } from '@moorline/client';
import { expect, test } from 'vitest';
import { RowMaker, type Row } from '../src/state/rows.ts';

const noon = new Date(2026, 10, 20, 12, 0).getTime();
const minute = 60_000;

function message(seq: number, from: string, atMinute: number, more: Partial<MessageItem> = {}): MessageItem {
  return { type: 'message', key: `m${seq}`, seq, id: `m${seq}`, from, mine: from === 'me', at: noon + atMinute * minute, body: `text ${seq}`, state: 'sent', ...more };
}

const word = (row: Row) => (row.is === 'message' ? `${row.item.seq}${row.first ? '<' : ''}${row.last ? '>' : ''}` : row.is);
const words = (rows: readonly Row[]) => rows.map((row) => `${row.day === undefined ? '' : 'day '}${row.isNew ? 'new ' : ''}${word(row)}`).join(' ');
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
  expect(after[0]).toBe(before[0]);
  expect(after[1]).not.toBe(before[1]);
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

test('a timeline that did not change gives the same list', () => {
  const maker = new RowMaker();
  const items = [message(1, 'ann', 0), message(2, 'bob', 1)];
  expect(maker.make([...items])).toBe(maker.make([...items]));
});

test('a failed message ends the slab above it, and a deletion on its way is a tombstone already', () => {
  const failed = message(0, 'me', 1, { key: 'c', seq: undefined, state: 'failed' });
  expect(rowsOf([message(1, 'me', 0), failed])).toBe('day 1<> undefined>');
  const going = message(2, 'me', 1, { change: { kind: 'delete', cid: 'd', state: 'queued' } });
  expect(rowsOf([message(1, 'me', 0), going])).toBe('day 1<> 2<>');
});

/** Every change that a timeline can see, in a random order: the rows are always those that a new maker would make. */
test('rows made step by step are the rows made at once', () => {
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const at = (seq: number) => message(seq, ['ann', 'bob', 'me'][Math.floor(seq / 3) % 3] ?? 'ann', seq * 97);
  const maker = new RowMaker();
  let items: TimelineItem[] = Array.from({ length: 30 }, (_, i) => at(i + 500));
  let newFrom: number | undefined;
  for (let step = 0; step < 400; step += 1) {
    const first = items[0]?.type === 'message' ? items[0].seq ?? 500 : 500;
    const index = random(items.length);
    const chosen = items[index];
    const what = random(6);
    if (what === 0 && first > 20) items = [...Array.from({ length: 10 }, (_, i) => at(first - 10 + i)), ...items];
    if (what === 1) items = [...items, at(1000 + step)];
    if (what === 2 && chosen?.type === 'message') items = items.with(index, { ...chosen, deleted: { seq: 1, at: 1 } });
    if (what === 3) items = items.toSpliced(index, 1);
    if (what === 4) items = items.toSpliced(index, 0, { type: 'gap', key: `g${step}`, after: 1, before: 2 });
    if (what === 5) newFrom = random(2) ? undefined : random(600);
    const made = maker.make(items, newFrom);
    expect(words(made), `step ${step}`).toBe(words(new RowMaker().make(items, newFrom)));
  }
});
