/**
 * What must reach the server: written to the store before the first attempt, kept until acknowledged, sent in
 * order in each room under one cid for ever. Called by the client and its rooms. It never decides what a
 * refusal means to a person: it keeps the entry, failed, until somebody retries or discards it.
 */
import type { Connection } from "./connection.js";
import type { Environment } from "./env.js";
import { MoorlineError } from "./error.js";
import type { OutboxEntry, ScopedStore, Store } from "./store/store.js";
import type { Ack } from "./wire.js";

/** Where a refusal that may be retried says nothing else. */
const RETRY_MS = 1_000;

/** What the server said of a stored entry. */
export interface Stored {
  readonly seq: number;
  readonly id: string;
  readonly at: number;
}

/** An entry with its fate so far. */
export interface Outgoing {
  entry: OutboxEntry;
  state: "queued" | "sending" | "sent" | "failed";
  error?: MoorlineError | undefined;
  stored?: Stored;
  /** False until the store has it (or cannot have it). */
  written: boolean;
  readonly resolve: (stored: Stored) => void;
  readonly reject: (error: MoorlineError) => void;
  readonly acked: Promise<Stored>;
}

/** One room's entries in order. At most one is on its way, since only that keeps the order through refusals. */
interface Lane {
  items: Outgoing[];
  busy: boolean;
  timer?: unknown;
}

/** What the outbox needs of the client. */
export interface OutboxHost {
  readonly connection: Pick<Connection, "request" | "state">;
  uuid(): string;
  queueChanged(room: string): void;
  refused(entry: OutboxEntry, error: MoorlineError): void;
}

/** All lanes of one person on one server. */
export class Outbox {
  /** False once the store refused to open or to write. */
  durable: boolean;
  readonly tab: string;
  readonly #lanes = new Map<string, Lane>();
  #scope: string | undefined;
  #storage: Promise<ScopedStore | undefined> = Promise.resolve(undefined);
  /** While it is open. */
  #release: AbortController | undefined;
  /** Looks for what other tabs left. */
  #scan: (() => void) | undefined;
  #connection = 0;

  constructor(
    private readonly env: Environment,
    private readonly store: Store,
    private readonly host: OutboxHost,
  ) {
    this.durable = store.durable;
    this.tab = host.uuid();
  }

  /** From here on everything belongs to this person on this server. Entries of another are left in the store. */
  open(scope: string): void {
    const homeless = this.#scope === undefined ? this.#all() : [];
    if (this.#scope !== undefined && scope !== this.#scope) this.#forget();
    this.#scope = scope;
    if (!this.#release) this.#begin(scope, (this.#release = new AbortController())).catch(() => {});
    for (const item of homeless) this.#write(item);
    this.#scan?.();
  }

  async #begin(scope: string, release: AbortController): Promise<void> {
    const { env, tab } = this;
    const opened = (this.#storage = this.store.open(scope).catch(() => this.#undurable()));
    const [{ watchLeftovers }, store] = await Promise.all([env.load.leftovers(), opened]);
    const released = release.signal;
    if (!released.aborted) this.#scan = watchLeftovers({ env, scope, tab, store, released, adopt: (entries) => this.#adopt(entries) });
  }

  /** The tab goes, or rests: another one may send what is in the store. */
  release(): void {
    this.#release?.abort();
    this.#release = this.#scan = undefined;
    void this.#storage.then((store) => store?.close());
    this.#storage = Promise.resolve(undefined);
  }

  /** Somebody else is signed in: what is queued stays in the store, for its sender. */
  #forget(): void {
    this.release();
    const error = new MoorlineError("user_changed", "Somebody else is signed in.");
    for (const item of this.#all()) item.reject(error);
    for (const [room, lane] of this.#lanes) {
      this.env.clearTimeout(lane.timer);
      lane.items = [];
      this.host.queueChanged(room);
    }
    this.#lanes.clear();
  }

  add(room: string, cid: string, command: OutboxEntry["command"]): Outgoing {
    const item = outgoing({ cid, room, command, at: this.env.now(), owner: this.tab });
    this.#lane(room).items.push(item);
    this.host.queueChanged(room);
    // Before the first welcome it is not known whose it is: it waits in memory, then gets written.
    if (this.#scope !== undefined) this.#write(item);
    return item;
  }

  /** The entries of a room that are not known to be in its log. */
  of(room: string): readonly Outgoing[] {
    return this.#lanes.get(room)?.items ?? [];
  }

  counts(): Counted {
    return countOf(this.#all());
  }

  /** A connection is there: everything goes (again). */
  live(): void {
    this.#connection++;
    for (const [room, lane] of this.#lanes) {
      lane.busy = false;
      this.#pump(room, lane);
    }
  }

  /** The log has this cid (its event came): whatever the answer, it is stored. */
  settle(room: string, cid: string, stored: Stored): void {
    const item = this.#find(room, cid);
    if (!item) return;
    this.#accept(item, stored);
    this.#drop(item);
  }

  /** The room's log is known up to here: what was acknowledged below needs no row of its own any more. */
  forgetSent(room: string, upTo: number): void {
    for (const item of [...this.of(room)]) if (item.stored && item.stored.seq <= upTo) this.#drop(item);
  }

  retry(room: string, cid: string): void {
    const item = this.#find(room, cid);
    if (item?.state !== "failed") return;
    const { failed: _, ...entry } = item.entry;
    item.entry = entry;
    item.state = "queued";
    item.error = undefined;
    this.#write(item);
    this.host.queueChanged(room);
  }

  discard(room: string, cid: string): boolean {
    const item = this.#find(room, cid);
    if (!item || (item.state !== "queued" && item.state !== "failed")) return false;
    item.reject(new MoorlineError("discarded", "Discarded."));
    this.#erase(cid);
    this.#drop(item);
    this.#pump(room, this.#lane(room));
    return true;
  }

  #find(room: string, cid: string): Outgoing | undefined {
    return this.of(room).find(({ entry }) => entry.cid === cid);
  }

  #all(): Outgoing[] {
    return [...this.#lanes.values()].flatMap(({ items }) => items);
  }

  #lane(room: string): Lane {
    const lane = this.#lanes.get(room) ?? { items: [], busy: false };
    this.#lanes.set(room, lane);
    return lane;
  }

  #write(item: Outgoing): void {
    item.written = false;
    const { room } = item.entry;
    const scope = this.#scope;
    void this.#storage
      .then((store) => store?.put(item.entry))
      .catch(() => this.#undurable())
      .then(() => {
        item.written = true;
        if (scope === this.#scope) this.#pump(room, this.#lane(room));
      });
  }

  #erase(cid: string): void {
    // An entry that stays in the store by mistake is sent once more under its cid, which changes nothing.
    void this.#storage.then((store) => store?.remove(cid)).catch(() => {});
  }

  #undurable(): undefined {
    this.durable = false;
    this.host.queueChanged("");
  }

  /** Sends the next entry of a room, if one is due and none is on its way. */
  #pump(room: string, lane: Lane): void {
    if (lane.busy || this.host.connection.state.is !== "live" || this.#scope === undefined) return;
    const next = lane.items.find(({ state }) => state === "queued" || state === "sending");
    if (!next?.written) return;
    this.env.clearTimeout(lane.timer);
    lane.busy = true;
    next.state = "sending";
    this.host.queueChanged(room);
    const [connection, scope] = [this.#connection, this.#scope];
    const stale = (): boolean => connection !== this.#connection || scope !== this.#scope;
    this.host.connection.request(next.entry.command).then(
      (reply) => {
        this.#acknowledged(next, reply as Ack);
        if (!stale()) this.#advance(room, lane);
      },
      (error: MoorlineError) => {
        if (!stale()) this.#refused(room, lane, next, error);
      },
    );
  }

  #advance(room: string, lane: Lane): void {
    lane.busy = false;
    this.#pump(room, lane);
  }

  #acknowledged(item: Outgoing, { seq, message = "", at }: Ack): void {
    this.#accept(item, { seq, id: message, at });
    this.host.queueChanged(item.entry.room);
  }

  #accept(item: Outgoing, stored: Stored): void {
    if (item.stored) return;
    item.state = "sent";
    item.error = undefined;
    item.stored = stored;
    item.resolve(stored);
    this.#erase(item.entry.cid);
  }

  #refused(room: string, lane: Lane, item: Outgoing, error: MoorlineError): void {
    if (item.stored) return this.#advance(room, lane);
    if (error.retryable) {
      item.state = "queued";
      item.error = error;
      this.host.queueChanged(room);
      // Cut: `live` goes on. Unanswered: the same cid again, at once. Else when the server says.
      if (error.code === "disconnected") lane.busy = false;
      else if (error.code === "timeout") this.#advance(room, lane);
      else lane.timer = this.env.setTimeout(() => this.#advance(room, lane), this.#pause(error));
      return;
    }
    item.state = "failed";
    item.error = error;
    item.entry = { ...item.entry, failed: { code: error.code, message: error.message } };
    item.reject(error);
    this.#write(item);
    this.host.refused(item.entry, error);
    this.host.queueChanged(room);
    this.#advance(room, lane);
  }

  /** A little longer than asked, by chance, so that many clients do not come back together. */
  #pause({ retryAfterMs = RETRY_MS }: MoorlineError): number {
    return retryAfterMs * (1 + this.env.random() / 4);
  }

  /** Takes entries of the store into the lanes, each at its place. */
  #adopt(entries: readonly OutboxEntry[]): void {
    for (const entry of entries) {
      const lane = this.#lane(entry.room);
      if (this.#find(entry.room, entry.cid)) continue;
      const item = outgoing(entry);
      item.written = true;
      const place = lane.items.findIndex(({ entry: { cid } }) => cid > entry.cid);
      lane.items.splice(place < 0 ? lane.items.length : place, 0, item);
      this.host.queueChanged(entry.room);
      this.#pump(entry.room, lane);
    }
  }

  #drop(item: Outgoing): void {
    const lane = this.#lane(item.entry.room);
    lane.items = lane.items.filter((other) => other !== item);
    this.host.queueChanged(item.entry.room);
  }
}

/** How many wait for the server, and how many for the person. */
export interface Counted {
  readonly queued: number;
  readonly failed: number;
}

/** Counts what is not stored yet. */
export function countOf(items: readonly Outgoing[]): Counted {
  const failed = items.filter(({ state }) => state === "failed").length;
  return { queued: items.filter(({ stored }) => !stored).length - failed, failed };
}

function outgoing(entry: OutboxEntry): Outgoing {
  let settle: Pick<Outgoing, "resolve" | "reject"> | undefined;
  const acked = new Promise<Stored>((resolve, reject) => (settle = { resolve, reject }));
  // Most callers watch the snapshot instead; a refusal that nobody waits for is no uncaught error.
  acked.catch(() => {});
  const { failed } = entry;
  const error = failed && new MoorlineError(failed.code, failed.message);
  return { entry, state: failed ? "failed" : "queued", error, written: false, acked, ...settle! };
}
