// Sentences made of what the SDK tells: why something failed, who joined, what a room's last message says.
import { MoorlineError, type MemberItem, type RenameItem, type RoomInfo } from '@moorline/client';
import { t } from '../text/index.ts';

/** Names of people by id; the id itself when nobody told the name yet. */
export type NameOf = (id: string) => string;

/** Why something failed, as a sentence for the person who did it. */
export function reason(error: unknown): string {
  if (error instanceof MoorlineError) return t.code[error.code] ?? error.message;
  return error instanceof Error && error.message ? error.message : t.problem.other;
}

const list = (names: string[]) => {
  if (names.length > 4) return t.note.andMore(names.slice(0, 3).join(', '), names.length - 3);
  return new Intl.ListFormat(t.locale, { type: 'conjunction' }).format(names);
};

const capital = (text: string) => text.charAt(0).toLocaleUpperCase() + text.slice(1);

/** What a membership or rename event says, in one line. */
export function noteText(item: MemberItem | RenameItem, name: NameOf): string {
  if (item.type === 'rename') return capital(t.note.renamed(name(item.from), item.name));
  const of = (change: string, isByOneself: boolean) =>
    item.changes.filter((c) => c.change === change && (c.user === item.from) === isByOneself).map((c) => name(c.user));
  const parts: string[] = [];
  const joined = of('joined', true);
  const added = of('joined', false);
  if (item.seq === 1) parts.push(added.length ? t.note.madeWith(name(item.from), list(added)) : t.note.made(name(item.from)));
  else if (joined.length) parts.push(t.note.joined(list(joined)));
  if (item.seq !== 1 && added.length) parts.push(t.note.added(name(item.from), list(added)));
  const left = [...of('left', true), ...of('left', false)];
  if (left.length) parts.push(t.note.left(list(left)));
  const removed = [...of('removed', true), ...of('removed', false)];
  if (removed.length) parts.push(t.note.removed(name(item.from), list(removed)));
  return capital(parts.join(', '));
}

/** Who said the last message of a room, for the list: nobody in a direct room but oneself. */
export function lastBy(room: RoomInfo, me: string, name: NameOf): string {
  if (!room.last) return '';
  if (room.last.from === me) return t.rooms.youSaid;
  return room.kind === 'direct' ? '' : `${name(room.last.from)}: `;
}

/** One line under a room's name in its header. */
export function roomLine(room: RoomInfo): string {
  if (room.kind === 'direct') return '';
  if (room.members <= 1) return t.talk.onlyYou;
  return room.kind === 'public' ? t.talk.publicRoom : t.talk.groupRoom;
}
