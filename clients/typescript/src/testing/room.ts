/**
 * A room of the test server: its log, its members, and the answers that its cids got. It keeps the promises that the
 * store of the real server keeps (dense seqs, one position one event, a cid carried out once) and decides no rights.
 */
import type { Ack, event, Member, MemberChange, Role, RoomHistory, RoomInfo, RoomKind } from "../protocol.generated.js";
import { Refusal } from "./refusal.js";

type Event = event;
type Message = Extract<event, { kind: "message" }>;
/** What an event is, without what the room gives it. */
export type Content = Event extends infer E ? (E extends Event ? Omit<E, "type" | "room" | "epoch" | "seq" | "id" | "at" | "n"> : never) : never;

/** How a person stands in a room. */
interface Membership {
  readonly role: Role;
  readonly joined: number;
  read: number;
}

/** What a command under a cid was, and what it was answered. */
export interface Answered {
  readonly what: string;
  readonly ack: Ack;
}

/** A position as a client sends it. */
interface Position {
  readonly epoch: string;
  readonly seq: number;
  readonly check?: string | null;
}

/** What follows a position, or why it cannot be gone on from. */
export type Resumed =
  | { readonly events: readonly Event[] }
  | { readonly reason: "epoch" | "future" | "pruned" | "too_far"; readonly epoch: string; readonly first: number; readonly head: number };

/** Where a room's ids and times come from. */
export interface RoomWorld {
  eventId(): string;
  epoch(): string;
  now(): number;
}

/** One room. */
export class TestRoom {
  epoch: string;
  /** The oldest event that is kept. */
  first = 1;
  at: number;
  readonly members = new Map<string, Membership>();
  readonly cids = new Map<string, Answered>();
  /** The events of which the first has the seq 1, as they were stored. */
  #stored: Event[] = [];
  /** The same, messages as they are now. */
  #log: Event[] = [];
  readonly #firstName: string | undefined;

  constructor(
    private readonly world: RoomWorld,
    readonly id: string,
    readonly kind: RoomKind,
    public name: string | undefined,
  ) {
    this.epoch = world.epoch();
    this.at = world.now();
    this.#firstName = name;
  }

  get head(): number {
    return this.#log.length;
  }

  get history(): RoomHistory {
    return this.kind === "public" ? "all" : "joined";
  }

  /** The whole log as it is now, also what is pruned. */
  get log(): readonly Event[] {
    return this.#log;
  }

  /** Stores an event; what it changes in messages and members is done with it. */
  append(content: Content): Event {
    const { world, id: room, epoch } = this;
    const place = { type: "event" as const, room, epoch, seq: this.head + 1, id: world.eventId(), at: world.now() };
    const n = content.kind === "message" ? { n: this.#messages(this.head) + 1 } : {};
    const stored = { ...place, ...content, ...n } as Event;
    this.#stored.push(stored);
    this.#apply(stored);
    return stored;
  }

  /** The ack of an event. */
  ackOf({ epoch, seq, id: message, at }: Event): Ack {
    return { room: this.id, epoch, seq, message, at };
  }

  /** The event at a position. */
  get(seq: number): Event | undefined {
    return this.#log[seq - 1];
  }

  /** The message of this id that a member may see. */
  message(id: string, user: string): Message {
    const found = this.#log.find((each) => each.id === id);
    if (found?.kind !== "message" || found.seq < this.seesFrom(user)) throw new Refusal("not_found");
    return found;
  }

  /** The first event that this person may see. */
  seesFrom(user: string): number {
    const joined = this.members.get(user)?.joined ?? 0;
    return this.history === "all" ? this.first : Math.max(this.first, joined);
  }

  /** Events of a stretch that this person may see, both ends included, as they are now. */
  between(user: string | undefined, from: number, to: number): readonly Event[] {
    const first = user === undefined ? this.first : this.seesFrom(user);
    return this.#log.slice(Math.max(from, first) - 1, Math.max(0, to));
  }

  /** What follows a client's position, at most so many. */
  resume(user: string, { epoch, seq, check }: Position, limit: number): Resumed {
    const [first, head] = [this.seesFrom(user), this.head];
    const reset = (reason: "epoch" | "future" | "pruned" | "too_far"): Resumed => ({ reason, epoch: this.epoch, first, head });
    if (epoch !== this.epoch) return reset("epoch");
    if (seq > head) return reset("future");
    if (seq > 0 && check) {
      if (seq < this.first) return reset("pruned");
      if (!this.get(seq)?.id.endsWith(check)) return reset("epoch");
    }
    if (seq > 0 && seq + 1 < first) return reset("pruned");
    if (head - Math.max(seq, first - 1) > limit) return reset("too_far");
    return { events: this.between(user, seq + 1, head) };
  }

  /** Moves a marker; false where it does not grow. */
  read(user: string, seq: number): number | undefined {
    const member = this.members.get(user);
    const read = Math.min(seq, this.head);
    if (!member || read <= member.read) return undefined;
    member.read = read;
    return read;
  }

  /** The room as one person sees it. */
  info(user: string): RoomInfo {
    const { id, kind, name, epoch, head, at, history } = this;
    const member = this.members.get(user);
    const first = this.seesFrom(user);
    const last = this.#log.findLast((each) => each.kind === "message" && (history === "all" || each.seq >= first));
    const peer = kind === "direct" ? [...this.members.keys()].find((other) => other !== user) : undefined;
    const known = Math.max(this.#messages(member?.read ?? 0), this.#messages(this.first - 1));
    const counts = { unread: member ? this.#messages(head) - known : 0, mentions: 0, members: this.members.size };
    return {
      ...{ id, kind, ...(name !== undefined && { name }), epoch, first, head, read: member?.read ?? 0, ...counts },
      ...{ ...(member && { role: member.role }), ...(peer !== undefined && { peer }), ...(last && { last }), at, history },
    };
  }

  /** The members in the order in which they came. */
  list(): readonly Pick<Member, "id" | "role" | "read">[] {
    return [...this.members].map(([id, { role, read }]) => ({ id, role, read }));
  }

  /** Events above `keep` are lost, and all that they did, as after a restore from a backup: the log begins another life. */
  lose(keep: number): void {
    const reads = new Map([...this.members].map(([user, { read }]) => [user, read]));
    this.epoch = this.world.epoch();
    this.name = this.#firstName;
    this.members.clear();
    this.#log = [];
    this.#stored = this.#stored.slice(0, keep).map((each) => ({ ...each, epoch: this.epoch }));
    for (const each of this.#stored) this.#apply(each);
    for (const [user, member] of this.members) member.read = Math.min(reads.get(user) ?? member.read, keep);
    for (const [cid, { ack }] of this.cids) if (ack.seq > keep) this.cids.delete(cid);
  }

  #apply(stored: Event): void {
    this.#log.push(stored);
    this.at = stored.at;
    if (stored.kind === "edit") this.#change(stored.of, { body: stored.body, edited: { seq: stored.seq, at: stored.at } });
    if (stored.kind === "delete") this.#change(stored.of, { body: "", deleted: { seq: stored.seq, at: stored.at } });
    if (stored.kind === "rename") this.name = stored.name;
    if (stored.kind === "member") this.#come(stored.seq, stored.changes);
    const member = this.members.get(stored.from);
    // Who writes has read what is there.
    if (stored.kind === "message" && member) member.read = stored.seq;
  }

  #come(seq: number, changes: readonly MemberChange[]): void {
    for (const { user, change, role = "member" } of changes) {
      if (change === "joined") this.members.set(user, { role, joined: seq, read: seq });
      else this.members.delete(user);
    }
  }

  #change(seq: number, change: Partial<Message>): void {
    const message = this.get(seq) as Message;
    this.#log[seq - 1] = { ...message, ...change };
    // The text goes with the message, wherever it stood.
    if (!change.deleted) return;
    this.#log = this.#log.map((each) => (each.kind === "edit" && each.of === seq ? { ...each, body: "" } : each));
  }

  /** How many messages there are up to a position. */
  #messages(seq: number): number {
    for (let at = Math.min(seq, this.head); at > 0; at--) {
      const each = this.get(at);
      if (each?.kind === "message") return each.n;
    }
    return 0;
  }
}
