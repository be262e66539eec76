/**
 * The log of one room as this client has it: the one place where repeats are dropped and gaps are fetched.
 * Every event goes through `receive`; what comes out at `apply` is next, next, next. Knows nothing of views.
 */
import { checkOf, type PageReply, type Position, type ResetFrame, type WireEvent } from "./wire.js";

/** Events kept while a gap below them is fetched; what is above comes again with the pages. */
const AHEAD = 2_000;

/** What a log needs. */
export interface RoomLogHost {
  /** The next event in order. */
  apply(event: WireEvent): void;
  /** A page of what follows a position. */
  pageAfter(seq: number): Promise<PageReply>;
  /** Asks the server where our position stands; its answer is events or a reset. */
  resume(): void;
}

/** One room's position and what is ahead of it. */
export class RoomLog {
  readonly #ahead = new Map<number, WireEvent>();
  #goal = 0;
  #fetching = false;
  #check: string | undefined;

  constructor(
    private epoch: string,
    /** Everything up to here was applied. */
    public seq: number,
    private readonly everyEvent: boolean | undefined,
    private readonly host: RoomLogHost,
  ) {}

  get position(): Position {
    const { epoch, seq } = this;
    return { epoch, seq, check: this.#check };
  }

  receive(event: WireEvent): void {
    if (event.epoch !== this.epoch) return this.host.resume(); // The answer is a reset.
    if (event.seq <= this.seq) return; // Seen already.
    if (event.seq > this.seq + 1) return this.#keepAhead(event); // A gap: fetch it first, one fetch at a time.
    this.#advance(event);
    this.#drain();
  }

  /** The server cannot go on from our position. */
  reset({ reason, epoch = this.epoch, first = 1, head = 0 }: ResetFrame): void {
    const isSameLog = reason === "too_far" || reason === "pruned";
    if (isSameLog && this.everyEvent) return this.catchUp(Math.max(this.seq, first - 1), head);
    if (isSameLog && epoch === this.epoch && head < this.seq) return;
    this.epoch = epoch;
    this.seq = head;
    this.#check = undefined;
    this.#goal = 0;
    const later = isSameLog ? [...this.#ahead.values()] : [];
    this.#ahead.clear();
    for (const event of later) this.receive(event);
  }

  /** Fetches everything up to `head`, starting above `seq`. */
  catchUp(seq: number, head: number): void {
    if (seq > this.seq) this.#check = undefined;
    this.seq = seq;
    this.#goal = Math.max(this.#goal, head);
    void this.#fetch();
  }

  #advance(event: WireEvent): void {
    this.seq = event.seq;
    this.#check = checkOf(event.id);
    this.host.apply(event);
  }

  #drain(): void {
    for (let next = this.#take(); next; next = this.#take()) this.#advance(next);
  }

  #take(): WireEvent | undefined {
    const next = this.#ahead.get(this.seq + 1);
    this.#ahead.delete(this.seq + 1);
    return next;
  }

  #keepAhead(event: WireEvent): void {
    this.#goal = Math.max(this.#goal, event.seq);
    if (this.#ahead.size < AHEAD) this.#ahead.set(event.seq, event);
    void this.#fetch();
  }

  async #fetch(): Promise<void> {
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      while (this.seq < this.#goal && (await this.#fetchPage()));
    } catch {
      // No connection, or no right to read: the next event, or the next resume, tries again.
    }
    this.#fetching = false;
  }

  /** One page; false when it brought nothing new, so that a server's mistake is no endless loop. */
  async #fetchPage(): Promise<boolean> {
    const before = this.seq;
    const page = await this.host.pageAfter(before);
    if (page.epoch !== this.epoch) {
      this.host.resume();
      return false;
    }
    // What was pruned, or lies before our membership, will never come.
    if (page.first > this.seq + 1) this.catchUp(page.first - 1, this.#goal);
    for (const event of page.events) if (event.seq === this.seq + 1) this.#advance(event);
    this.#drain();
    return this.seq > before;
  }
}
