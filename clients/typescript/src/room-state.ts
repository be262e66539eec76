/**
 * One of the person's rooms as the list shows it: name, counts, last message, read marker. Fed by the wire's room
 * objects (which tell everything up to their head) and by the log's events above that head.
 */
import type { Preview, RoomInfo } from "./api.js";
import { countOf, type Outbox, type Outgoing } from "./outbox.js";
import type { People } from "./people.js";
import type { RoomLog } from "./room.js";
import { changeOf } from "./timeline.js";
import type { Typing } from "./typing.js";
import type { MemberEvent, MessageEvent, WireEvent, WireRoom } from "./wire.js";

/** What a row of the list needs beside the room itself. */
export interface RowContext {
  readonly me: string | undefined;
  readonly people: Pick<People, "get">;
  readonly outbox: Pick<Outbox, "of">;
}

/** State of one known room. */
export class RoomState {
  readonly receipts: Record<string, number> = {};
  /** One's own marker: the server's, or what this client has told it or is about to tell. */
  read = 0;
  /** The head when we came into the connection: what is above is live. */
  liveFrom = 0;
  #unread = 0;
  #mentions = 0;
  #readMessages: number | undefined;
  #row: RoomInfo | undefined;

  constructor(
    private wire: WireRoom,
    readonly log: RoomLog,
    readonly typing: Typing,
    private readonly context: RowContext,
  ) {
    this.learn(wire);
  }

  get first(): number {
    return this.wire.first;
  }

  get peer(): string | undefined {
    return this.wire.peer;
  }

  get head(): number {
    return this.wire.head;
  }

  /** The server's word on the room, which is newer than ours unless it answers an older question. */
  learn(wire: WireRoom): void {
    this.#row = undefined;
    if (wire.epoch === this.wire.epoch && wire.head < this.wire.head) return;
    // One's own marker may be ahead of the server's, on its way there.
    const ahead = wire.epoch === this.wire.epoch && this.read > wire.read ? this.read : undefined;
    this.wire = wire;
    this.liveFrom = wire.head;
    this.read = wire.read;
    this.#unread = wire.unread;
    this.#mentions = wire.mentions;
    const last = lastOf(wire);
    this.#readMessages = last && last.n - wire.unread;
    if (ahead !== undefined) this.markRead(ahead, undefined);
  }

  /** The log lost what we knew, or skipped it. */
  reset(epoch: string, first: number, head: number): void {
    this.#row = undefined;
    const isNew = epoch !== this.wire.epoch;
    this.wire = { ...this.wire, epoch, first, head: isNew ? head : Math.max(head, this.wire.head) };
    if (isNew) this.read = Math.min(this.read, head);
  }

  /** The next event of the log. */
  apply(event: WireEvent, me: string | undefined): void {
    this.#row = undefined;
    const last = lastOf(this.wire);
    if (last && (event.kind === "edit" || event.kind === "delete") && event.of === last.seq) this.#changeLast(last, event);
    // The counts of the room object hold for everything up to its head.
    if (event.seq <= this.wire.head) return;
    this.wire = { ...this.wire, head: event.seq };
    if (event.kind === "message") this.#message(event, me);
    if (event.kind === "rename") this.wire = { ...this.wire, name: event.name };
    if (event.kind === "member") this.#membership(event, me);
  }

  /**
   * Moves one's own marker; false if it stands there already. `left` is how many messages of others are above it,
   * where that is known.
   */
  markRead(seq: number, left: number | undefined): boolean {
    if (seq <= this.read) return false;
    this.#row = undefined;
    this.read = seq;
    const last = lastOf(this.wire);
    if (!last || seq >= last.seq) left = 0;
    if (left !== undefined) {
      this.#unread = left;
      this.#mentions = Math.min(this.#mentions, left);
      this.#readMessages = last && last.n - left;
    }
    return true;
  }

  /** The row changed for a reason outside: a name, a typist, the outbox. */
  refresh(): void {
    this.#row = undefined;
  }

  info(): RoomInfo {
    return (this.#row ??= this.#build());
  }

  #message(event: MessageEvent, me: string | undefined): void {
    this.wire = { ...this.wire, last: event, at: Math.max(this.wire.at, event.at) };
    this.typing.stopped(event.from);
    if (event.from === me) {
      // Sending moves one's own marker.
      this.read = event.seq;
      this.#unread = this.#mentions = 0;
      this.#readMessages = event.n;
    } else {
      this.#readMessages ??= event.n - 1 - this.#unread;
      this.#unread = event.n - this.#readMessages;
    }
  }

  #membership({ changes, at }: MemberEvent, me: string | undefined): void {
    let { members, role } = this.wire;
    for (const { user, change, role: given } of changes) {
      members += change === "joined" ? 1 : -1;
      if (user === me && change === "joined") role = given ?? role;
    }
    this.wire = { ...this.wire, members, role, at: Math.max(this.wire.at, at) };
  }

  #changeLast(last: MessageEvent, event: WireEvent & { kind: "edit" | "delete" }): void {
    if (!last.deleted) this.wire = { ...this.wire, last: { ...last, ...changeOf(event) } };
  }

  #build(): RoomInfo {
    const { wire, context, read } = this;
    const [unread, mentions] = [this.#unread, this.#mentions];
    const { me = "" } = context;
    const waiting = context.outbox.of(wire.id).filter(({ entry }) => entry.command.type === "send");
    const last = preview(lastOf(wire), waiting, me);
    return {
      ...browsed(wire),
      ...countOf(waiting),
      ...{ read, unread, mentions, last },
      ...(wire.name === undefined && wire.peer !== undefined && { title: context.people.get(wire.peer).name }),
      at: Math.max(wire.at, last?.at ?? 0),
      typing: this.typing.users.filter((user) => user !== me),
      typingMore: this.typing.more,
    };
  }
}

function lastOf({ last }: WireRoom): MessageEvent | undefined {
  return last?.kind === "message" ? last : undefined;
}

/** The newest message of the log, or one's own that is not there yet. */
function preview(last: MessageEvent | undefined, waiting: readonly Outgoing[], me: string): Preview | undefined {
  const own = waiting.filter(({ stored }) => !stored || stored.seq > (last?.seq ?? 0)).at(-1);
  if (own && own.entry.command.type === "send") {
    return { from: me, body: own.entry.command.body, at: own.entry.at, seq: own.stored?.seq, deleted: false, state: own.state };
  }
  if (!last) return undefined;
  const { from, body, at, seq, deleted } = last;
  return { from, body, at, seq, deleted: deleted !== undefined, state: "sent" };
}

/** A room that was found by browsing: told as it is, without any state of ours. */
export function browsed(wire: WireRoom): RoomInfo {
  const { epoch: _e, first: _f, history: _h, ...shown } = wire;
  const last = preview(lastOf(wire), [], "");
  return { ...shown, title: wire.name ?? wire.id, last, typing: [], typingMore: 0, queued: 0, failed: 0 };
}
