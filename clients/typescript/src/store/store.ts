/**
 * What a storage must do for the outbox. One person on one server is a scope; a scope never sees
 * another's entries, so that what one person queued is never sent as another.
 */
import type { Request } from "../wire.js";

/** One command that must reach the server, kept until it is acknowledged or discarded. */
export interface OutboxEntry {
  readonly cid: string;
  readonly room: string;
  /** The command as it is sent, each time the same. */
  readonly command: Extract<Request, { type: "send" | "edit" | "delete" }>;
  /** When it was written, ms since 1970. */
  readonly at: number;
  /** The tab that sends it. */
  readonly owner: string;
  /** Present when it was refused for good: it waits for the person to retry or discard it. */
  readonly failed?: { readonly code: string; readonly message: string };
}

/** The storage of one person on one server. Every method may reject; the outbox then goes on in memory. */
export interface ScopedStore {
  /** All entries of the scope, of every tab, in the order in which they were written (by cid). */
  entries(): Promise<OutboxEntry[]>;
  put(entry: OutboxEntry): Promise<void>;
  remove(cid: string): Promise<void>;
  /** Gives all entries of one owner to another, in one transaction, and returns them in order. */
  takeOver(from: string, to: string): Promise<OutboxEntry[]>;
  close(): void;
}

/** Where scopes come from. */
export interface Store {
  /** True when what is put survives a reload. */
  readonly durable: boolean;
  open(scope: string): Promise<ScopedStore>;
}

/** Cids are UUIDv7, so their order is the order of writing. */
export function byCid(left: OutboxEntry, right: OutboxEntry): number {
  return left.cid < right.cid ? -1 : 1;
}
