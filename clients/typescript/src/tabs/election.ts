/**
 * Which tab leads. The leader holds a Web Lock, which the browser gives to the next tab as soon as it is closed or crashes.
 * A leader that stands still (frozen, or stopped by the system) keeps its lock: the others notice that it does not answer,
 * and one of them takes the lock by force. Used by the shared connection; knows nothing of frames.
 */
import type { Environment } from "../env.js";
import type { Called, ChannelLike, LeaderLocks } from "./words.js";

/** How often a tab asks whether its leader is there. A hidden tab's timers are slower, and so is its patience. */
const BEAT_MS = 300;
/** Questions without an answer until the leader is taken to stand still: between 1.5 and 1.8 s. */
const UNANSWERED = 5;
/** A beat so late says that the machine is busy, or this tab is hidden: the leader is given twice the time. */
const LATE_MS = 400;
/** By then everybody has heard of a new leader, and nobody takes the lock from it. */
const HEARD_MS = 300;

/** What becomes of a tab. */
export interface ElectionHost {
  /** This tab leads. */
  lead(term: number): void;
  /** Another tab leads. Called once a term. */
  follow(term: number): void;
  /** This tab leads no more; another one does, or will. */
  deposed(): void;
  /** To the leader: this tab follows. */
  joined(tab: string): void;
  /** Asks the leader for a sign of life. */
  ping(): void;
}

/** One tab's part in it. */
export class Election {
  /** The latest term that is known here. */
  #term = 0;
  #role: "none" | "waits" | "follows" | "leads" = "none";
  #common: ChannelLike | undefined;
  /** Ends the wait for the lock, or gives it back. */
  #leave = new AbortController();
  #timer: unknown;
  #unanswered = 0;
  #beatAt = 0;

  constructor(
    private readonly env: Environment & { openChannel(name: string): ChannelLike },
    private readonly locks: LeaderLocks,
    /** Of the lock and the common channel: one for each person on each server. */
    private readonly name: string,
    private readonly tab: string,
    /** The lock that this tab holds for as long as it is among the others. */
    private readonly presence: string,
    private readonly host: ElectionHost,
  ) {}

  join(): void {
    if (this.#role !== "none") return;
    this.#common = this.env.openChannel(this.name);
    this.#common.onmessage = ({ data }: { data: Called }) => this.#called(data);
    this.#queue();
    this.#call({ is: "seek" });
    this.#beat();
  }

  /** Out of it: the lock is free, or not waited for any more. */
  leave(): void {
    this.env.clearTimeout(this.#timer);
    this.#role = "none";
    this.#leave.abort();
    this.#common?.close();
    this.#common = undefined;
  }

  /** The leader gave a sign of life. */
  heard(): void {
    this.#unanswered = 0;
  }

  /** Asks at once: this tab was woken, or came to the front. */
  look(): void {
    this.#beat();
  }

  /**
   * Whether this tab still holds the lock. After a standstill the browser's own word counts, since ours may be on its way;
   * where it is not held any more, `deposed` is called.
   */
  async stillLeads(): Promise<boolean> {
    const leave = this.#leave;
    const isHolder = await this.#isHolder();
    if (leave !== this.#leave || this.#role !== "leads") return false;
    if (!isHolder) this.#deposed();
    return isHolder;
  }

  /** Whether the lock is held by the page that holds this tab's own; yes where the browser does not say. */
  async #isHolder(): Promise<boolean> {
    const { held = [] } = await this.locks.query().catch(() => ({ held: [] }));
    const [lead, own] = [this.name, this.presence].map((lock) => held.find(({ name }) => name === lock)?.clientId);
    return own === undefined || lead === own;
  }

  /** Waits for the lock in the browser's queue. */
  #queue(): void {
    this.#role = "waits";
    this.#leave = new AbortController();
    const leave = this.#leave;
    void this.#hold({ signal: leave.signal }, leave);
  }

  /** Holds the lock from when it is given until `leave` or until somebody takes it. */
  async #hold(options: { signal?: AbortSignal; steal?: boolean }, leave: AbortController, held?: () => void): Promise<void> {
    try {
      await this.locks.request(this.name, options, async () => {
        // It may have been given to this tab while that stood still, and taken from it since.
        if (!(await this.#isHolder()) || leave.signal.aborted) return;
        this.#lead();
        held?.();
        await new Promise<void>((resolve) => (leave.signal.onabort = () => resolve()));
      });
    } catch {
      // Aborted while it waited, or taken by another tab, or forbidden here.
      if (leave === this.#leave && this.#role === "leads") this.#deposed();
    }
  }

  #lead(): void {
    this.env.clearTimeout(this.#timer);
    this.#role = "leads";
    this.#term = Math.max(this.#term + 1, this.env.now());
    this.host.lead(this.#term);
    this.#call({ is: "lead", term: this.#term });
  }

  #deposed(): void {
    this.#leave.abort();
    this.host.deposed();
    this.#queue();
    this.#unanswered = 0;
    this.#call({ is: "seek" });
    this.#beat();
  }

  #called(called: Called): void {
    if (called.is === "lead") return this.#heardOf(called.term);
    if (this.#role !== "leads") return;
    if (called.is === "seek") this.#call({ is: "lead", term: this.#term });
    else if (called.term === this.#term) this.host.joined(called.tab);
  }

  #heardOf(term: number): void {
    if (term < this.#term || (term === this.#term && this.#role !== "waits")) return;
    const wasDeposed = this.#role === "leads";
    this.#term = term;
    if (wasDeposed) this.#deposed();
    this.#role = "follows";
    this.heard();
    this.host.follow(term);
    this.#call({ is: "join", term, tab: this.tab });
  }

  #call(called: Called): void {
    this.#common?.postMessage(called);
  }

  /** One question to the leader, unless it has left too many unanswered. */
  #beat(): void {
    this.env.clearTimeout(this.#timer);
    if (this.#role === "leads" || this.#role === "none") return;
    this.#timer = this.env.setTimeout(() => this.#beat(), BEAT_MS);
    const now = this.env.monotonic();
    const isLate = now - this.#beatAt > LATE_MS;
    this.#beatAt = now;
    if (this.#unanswered >= UNANSWERED) return void this.#take();
    this.#unanswered += isLate ? 0.5 : 1;
    if (this.#role === "follows") this.host.ping();
    else this.#call({ is: "seek" });
  }

  /** Takes the lock by force: one tab at a time, and only if the leader still is silent when it is this tab's turn. */
  async #take(): Promise<void> {
    const leave = this.#leave;
    const taken = async (turn: unknown): Promise<void> => {
      const isSilent = this.#role !== "leads" && this.#unanswered >= UNANSWERED && leave === this.#leave && !leave.signal.aborted;
      if (!turn || !isSilent) return;
      // Our place in the queue is of no use any more.
      this.#leave = new AbortController();
      leave.abort();
      const own = this.#leave;
      await new Promise<void>((held) => void this.#hold({ steal: true }, own, held).finally(held));
      await new Promise<void>((resolve) => this.env.setTimeout(resolve, HEARD_MS));
    };
    await this.locks.request(`${this.name} take`, { ifAvailable: true }, taken).catch(() => {});
  }
}
