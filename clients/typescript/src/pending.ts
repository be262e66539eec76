/**
 * Rows of what is not in the log yet: own messages on their way, and own edits and deletions laid over the rows that
 * they change. Pure, but for remembering rows: an outbox entry in the same state gives the same object.
 */
import type { MessageItem, TimelineItem } from "./api.js";
import type { Outgoing } from "./outbox.js";

const rows = new WeakMap<Outgoing, MessageItem>();

/** The row of a message in the outbox; undefined for entries that make no row of their own. */
export function pendingRow(item: Outgoing, from: string): MessageItem | undefined {
  const { state, error, stored, entry } = item;
  const { command, cid, at } = entry;
  if (command.type !== "send") return undefined;
  const known = rows.get(item);
  if (known && known.state === state && known.error === error) return known;
  const { body, reply_to: replyTo } = command;
  const row: MessageItem = { type: "message", key: cid, cid, from, mine: true, at, body, state, error, replyTo, ...stored };
  rows.set(item, row);
  return row;
}

/** The row with one's own unconfirmed changes on it. */
export function overlay(row: TimelineItem, changes: readonly Outgoing[]): TimelineItem {
  if (row.type !== "message" || row.deleted) return row;
  const item = changes.findLast(({ entry: { command } }) => command.type !== "send" && command.message === row.id);
  if (!item) return row;
  const { command, cid } = item.entry;
  const state = item.state === "sent" ? "sending" : item.state;
  const change = { kind: command.type as "edit" | "delete", cid, state, error: item.error };
  // A refused edit shows the text that stands; the new one waits for retry or discard.
  return command.type === "edit" && state !== "failed" ? { ...row, body: command.body, change } : { ...row, change };
}
