/**
 * One room of a consumer: hands each event to the handler, one after the other, and keeps the position of the last that
 * was handled. It takes live events as they come where they follow, and reads pages of the log where they do not.
 */
import { checkOf, type PageReply, type WireEvent } from "../wire.js";
import type { HandledPosition, Positions } from "./positions.js";

/** Live events that wait for the handler; what is beyond is read from the log when its turn comes. */
const WAITING = 100;
/** A handler or a page that failed is tried again after so long, then twice as long, and so on. */
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;

/** Why a position cannot be gone on from, and where it goes on. */
export interface Skipped {
  readonly room: string;
  /** history: the log was replaced, by a restored backup; pruned: what follows is not kept any more, or was before one came (again). */
  readonly reason: "history" | "pruned";
  readonly from: HandledPosition;
  /** The next event that will be handled, at the earliest. */
  readonly next: number;
}

/** What a lane needs of its consumer. */
export interface LaneHost {
  readonly positions: Positions;
  pageAfter(room: string, seq: number): Promise<PageReply>;
  handle(event: WireEvent): Promise<void> | void;
  skipped(skipped: Skipped): void;
  failed(error: unknown, event: WireEvent | undefined): void;
  /** Waits; resolves earlier where the consumer stops. */
  pause(ms: number): Promise<void>;
  readonly isStopped: boolean;
}

/** One room. */
export class Lane {
  #waiting: WireEvent[] = [];
  #goal = 0;
  #isChecked = false;
  /** Runs while there is something to handle. */
  running: Promise<void> | undefined;

  constructor(
    private readonly room: string,
    private position: HandledPosition,
    private readonly host: LaneHost,
  ) {}

  /** A live event. */
  receive(event: WireEvent): void {
    if (this.#waiting.length < WAITING) this.#waiting.push(event);
    this.reach(event.seq);
  }

  /** The log is known to go up to here. */
  reach(head: number): void {
    this.#goal = Math.max(this.#goal, head);
    this.#run();
  }

  /** The log may have begun another life: it is looked at before anything else is handled. */
  recheck(): void {
    this.#isChecked = false;
    this.#waiting = [];
    this.#run();
  }

  /** In a turn of its own: a handler that sends makes the client tell of it, and that leads back here. */
  #run(): void {
    this.running ??= Promise.resolve()
      .then(() => this.#work())
      .finally(() => {
        this.running = undefined;
        if (this.#hasMore && !this.host.isStopped) this.#run();
      });
  }

  async #work(): Promise<void> {
    for (let retryMs = FIRST_RETRY_MS; this.#hasMore && !this.host.isStopped; ) {
      try {
        await this.#step();
        retryMs = FIRST_RETRY_MS;
      } catch (error) {
        // The room is not ours any more: it goes on if it comes back.
        if ((error as { code?: string }).code === "not_found") return this.#rest();
        this.host.failed(error, undefined);
        await this.host.pause(retryMs);
        retryMs = Math.min(retryMs * 2, LAST_RETRY_MS);
      }
    }
  }

  #rest(): void {
    this.#isChecked = true;
    this.#goal = 0;
  }

  get #hasMore(): boolean {
    return !this.#isChecked || this.#goal > this.position.seq;
  }

  async #step(): Promise<void> {
    if (!this.#isChecked) return this.#check();
    const { epoch, seq } = this.position;
    this.#waiting = this.#waiting.filter((event) => event.seq > seq);
    const [next] = this.#waiting;
    if (next?.seq === seq + 1 && next.epoch === epoch) return this.#handle(next);
    const page = await this.host.pageAfter(this.room, seq);
    if (page.epoch !== epoch) return this.#skip("history", page, page.head);
    if (page.first > seq + 1) return this.#skip("pruned", page, page.first - 1);
    if (page.events.length === 0) this.#goal = Math.min(this.#goal, page.head);
    for (const event of page.events) {
      if (this.host.isStopped || !this.#isChecked) return;
      await this.#handle(event);
    }
  }

  /** Whether the log still has our last event at its place. */
  async #check(): Promise<void> {
    const { epoch, seq, check } = this.position;
    const page = await this.host.pageAfter(this.room, Math.max(0, seq - 1));
    const [last] = page.events;
    const isOther = seq > page.head || (check !== undefined && last?.seq === seq && checkOf(last.id) !== check);
    if (page.epoch !== epoch || isOther) return this.#skip("history", page, page.head);
    this.#isChecked = true;
    this.#goal = Math.max(this.#goal, page.head);
  }

  async #skip(reason: Skipped["reason"], page: PageReply, seq: number): Promise<void> {
    const from = this.position;
    this.position = { epoch: page.epoch, seq };
    this.#goal = page.head;
    this.#isChecked = true;
    await this.host.positions.save(this.room, this.position);
    this.host.skipped({ room: this.room, reason, from, next: seq + 1 });
  }

  /** Until the handler is through with it: an event is never passed over. */
  async #handle(event: WireEvent): Promise<void> {
    for (let retryMs = FIRST_RETRY_MS; ; retryMs = Math.min(retryMs * 2, LAST_RETRY_MS)) {
      try {
        await this.host.handle(event);
        break;
      } catch (error) {
        this.host.failed(error, event);
      }
      await this.host.pause(retryMs);
      if (this.host.isStopped) return;
    }
    const position = { epoch: event.epoch, seq: event.seq, check: checkOf(event.id) };
    await this.host.positions.save(this.room, position);
    this.position = position;
  }
}
