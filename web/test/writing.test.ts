import type { MessageItem, Room } from '@moorline/client';
import { beforeEach, expect, test } from 'vitest';
import { Drafts } from '../src/state/drafts.ts';
import { marksOf, readersOf } from '../src/state/readers.ts';
import { canEdit } from '../src/state/talk.svelte.ts';
import { Writing } from '../src/state/writing.svelte.ts';

let did: string[] = [];
beforeEach(() => (did = []));

const sending = { cid: 'c', acked: new Promise<never>(() => undefined) };
const room = {
  id: 'harbour',
  send: (body: string, { replyTo }: { replyTo?: string } = {}) => (did.push(`send ${body}${replyTo ? ` to ${replyTo}` : ''}`), sending),
  edit: (id: string, body: string) => (did.push(`edit ${id} ${body}`), sending),
  discard: (cid: string) => (did.push(`discard ${cid}`), true),
  typing: () => did.push('typing'),
} as unknown as Room;

const message = (more: Partial<MessageItem> = {}): MessageItem =>
  ({ type: 'message', key: 'k', seq: 1, id: 'm1', cid: 'c1', from: 'me', mine: true, at: 0, body: 'before', state: 'sent', ...more });

function writing(drafts = new Drafts(Math.random().toString())): Writing {
  return new Writing(room, drafts, () => 10);
}

test('an edit is saved under its message, and the draft comes back', () => {
  const one = writing();
  one.set('a draft');
  one.edit(message());
  expect(one.text).toBe('before');
  one.set(' after ');
  expect(one.send()).toBe('changed');
  expect([one.text, one.mode.is, did.filter((what) => what !== 'typing')]).toEqual(['a draft', 'new', ['edit m1 after']]);
});

test('an edit that changes nothing is not sent, and Esc leaves it with the draft as it was', () => {
  const one = writing();
  one.set('draft');
  one.edit(message());
  expect(one.send()).toBe('nothing');
  one.edit(message());
  one.set('other');
  expect(one.cancel()).toBe(true);
  expect([one.text, did.filter((what) => what !== 'typing')]).toEqual(['draft', []]);
  expect(one.cancel()).toBe(false);
});

test('an edit that was emptied asks to delete instead of sending nothing', () => {
  const one = writing();
  one.edit(message());
  one.set('  ');
  expect(one.send()).toBe('emptied');
  expect(one.mode.is).toBe('edit');
});

test('while a message is edited nobody is told that one types, and the draft on the device stays', () => {
  const drafts = new Drafts('p');
  const one = writing(drafts);
  one.set('draft');
  did = [];
  one.edit(message());
  one.set('changed');
  expect(did).toEqual([]);
  expect(drafts.get('harbour')).toBe('draft');
});

test('a refused message is edited by sending it anew in its place', () => {
  const one = writing();
  one.edit(message({ id: undefined, seq: undefined, state: 'failed', replyTo: 'm0' }));
  one.set('shorter');
  expect(one.send()).toBe('sent');
  expect(did).toEqual(['discard c1', 'send shorter to m0']);
});

test('an answer carries the message that it answers, once', () => {
  const one = writing();
  one.reply(message({ id: 'm7' }));
  one.set('yes');
  one.send();
  one.set('more');
  one.send();
  expect(did.filter((what) => what !== 'typing')).toEqual(['send yes to m7', 'send more']);
});

test('an answer begun in the middle of an edit leaves the edit', () => {
  const one = writing();
  one.set('draft');
  one.edit(message());
  one.reply(message({ id: 'm2' }));
  expect([one.text, one.mode.is]).toEqual(['draft', 'reply']);
});

test('too long is counted in bytes, said, and kept', () => {
  const one = writing();
  one.set('üüüüüü');
  expect(one.send()).toBe('nothing');
  expect([one.problem.length > 0, one.text]).toEqual([true, 'üüüüüü']);
  one.set('ü');
  expect(one.problem).toBe('');
});

test('only one’s own message that is stored or refused can be edited', () => {
  expect(canEdit(message())).toBe(true);
  expect(canEdit(message({ mine: false }))).toBe(false);
  expect(canEdit(message({ deleted: { seq: 2, at: 0 } }))).toBe(false);
  expect(canEdit(message({ id: undefined, state: 'queued' }))).toBe(false);
  expect(canEdit(message({ id: undefined, state: 'failed' }))).toBe(true);
  expect(canEdit(message({ change: { kind: 'delete', cid: 'd', state: 'queued' } }))).toBe(false);
});

test('who has read is told by receipts, or by what people wrote later', () => {
  const items = [message({ mine: false, from: 'ann', seq: 5 }), message({ mine: false, from: 'bob', seq: 9 }), message({ seq: 10 })];
  const marks = marksOf({ ann: 8, eve: 2 }, items);
  expect(readersOf(marks, 8)).toEqual(['ann', 'bob']);
  expect(readersOf(marks, 10)).toEqual([]);
});
