/**
 * Rows of what is not in the log yet: own messages on their way, and own edits and deletions laid over the rows that
 * they change. Pure; the same outbox entry in the same state gives the same object.
 */
import type { MessageItem, TimelineItem } from "./api.js";
import type { Outgoing } from "./outbox.js";

interface Built {
  readonly state: Outgoing["state"];
  readonly error: unknown;
  readonly base: TimelineItem | undefined;
  readonly row: MessageItem;
}

const rows = new WeakMap<Outgoing, Built>();

/** The row of a message in the outbox; undefined for entries that make no row of their own. */
export function pendingRow(item: Outgoing, me: string): MessageItem | undefined {
  const { command, cid, at } = item.entry;
  if (command.type !== "send") return undefined;
  return remembered(item, undefined, () => {
    const { state, error, stored } = item;
    const where = { seq: stored?.seq, id: stored?.id, at: stored?.at ?? at };
    const { body, reply_to: replyTo } = command;
    return { type: "message", key: cid, cid, from: me, mine: true, body, state, error, replyTo, ...where };
  });
}

/** The row with one's own unconfirmed changes on it. */
export function overlay(row: TimelineItem, changes: readonly Outgoing[]): TimelineItem {
  if (row.type !== "message" || row.id === undefined) return row;
  const item = changes.findLast(({ entry }) => "message" in entry.command && entry.command.message === row.id);
  if (!item || row.deleted) return row;
  const { command, cid } = item.entry;
  if (command.type === "send") return row;
  return remembered(item, row, () => {
    const state = item.state === "sent" ? "sending" : item.state;
    const change = { kind: command.type, cid, state, error: item.error };
    // A refused edit shows the text that stands; the new one waits for retry or discard.
    return command.type === "edit" && state !== "failed" ? { ...row, body: command.body, change } : { ...row, change };
  });
}

function remembered(item: Outgoing, base: TimelineItem | undefined, build: () => MessageItem): MessageItem {
  const known = rows.get(item);
  if (known && known.state === item.state && known.error === item.error && known.base === base) return known.row;
  const row = build();
  rows.set(item, { state: item.state, error: item.error, base, row });
  return row;
}
