/**
 * The door of `@moorline/client/consumer`: for bots and bridges that must see every event of their rooms, also those that
 * came while they were not running. It keeps a position for each room and handles what follows, in order, one at a time.
 */
import type { Client, RoomInfo } from "../api.js";
import type { Environment } from "../env.js";
import type { PageReply, WireEvent } from "../wire.js";
import { Lane, type LaneHost, type Skipped } from "./lane.js";
import type { HandledPosition, Positions } from "./positions.js";

export type { Skipped } from "./lane.js";
export { memoryPositions, type HandledPosition, type Positions } from "./positions.js";

/** How a consumer works. */
export interface ConsumerOptions {
  readonly positions: Positions;
  /**
   * Called with each event of each room: in one room one after the other, each when the one before is done. When it
   * rejects it is called again with the same event, a little later. After a crash it may see the last event of a room once
   * more: what it does should be harmless twice, as `room.send(…, { cid: event.id })` is.
   */
  readonly handle: (event: WireEvent) => Promise<void> | void;
  /**
   * Where the rooms of the first run begin: with what comes from now on (the default), or with the oldest event one may see.
   * A room that comes later begins with what was never read there, so that nothing of it is missed either.
   */
  readonly from?: "now" | "start";
  /** Events that cannot be had any more. Where absent, they are passed over in silence. */
  readonly onSkipped?: (skipped: Skipped) => void;
  /** A handler that rejected (with its event), or a page or a position that failed. Tried again in any case. */
  readonly onError?: (error: unknown, event: WireEvent | undefined) => void;
}

/** A running consumer. */
export interface Consumer {
  /** Ends it; resolves when no handler runs any more. The client goes on. */
  stop(): Promise<void>;
}

/** What is used of the client beyond its public face. */
interface Paging {
  readonly env: Pick<Environment, "setTimeout" | "clearTimeout">;
  readonly options: { readonly everyEvent?: boolean };
  pageAfter(room: string, seq: number): Promise<PageReply>;
}

/** Begins to handle the events of all rooms of a client, which was made with `everyEvent: true`. */
export function consume(client: Client, options: ConsumerOptions): Consumer {
  if (!(client as unknown as Paging).options.everyEvent) {
    throw new Error("A consumer needs a client that fetches every event: createClient({ everyEvent: true, … }).");
  }
  return new RunningConsumer(client, options);
}

class RunningConsumer implements Consumer, LaneHost {
  isStopped = false;
  readonly positions: Positions;
  readonly #lanes = new Map<string, Lane | undefined>();
  readonly #ends: (() => void)[];
  readonly #pauses = new Set<() => void>();
  #known: Readonly<Record<string, HandledPosition>> = {};
  #isLoaded = false;
  #isFirstRun = false;
  #isLoadingRooms = false;

  constructor(
    private readonly client: Client,
    private readonly options: ConsumerOptions,
  ) {
    this.positions = options.positions;
    this.#ends = [
      client.rooms.subscribe(() => this.#look()),
      client.on("event", (event) => this.#lanes.get(event.room)?.receive(event)),
      client.on("room", ({ room, change }) => change === "reset" && this.#lanes.get(room)?.recheck()),
    ];
    void this.#load();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    for (const end of this.#ends) end();
    for (const resume of [...this.#pauses]) resume();
    await Promise.all([...this.#lanes.values()].map((lane) => lane?.running));
  }

  pageAfter(room: string, seq: number): Promise<PageReply> {
    return (this.client as unknown as Paging).pageAfter(room, seq);
  }

  handle(event: WireEvent): Promise<void> | void {
    return this.options.handle(event);
  }

  skipped(skipped: Skipped): void {
    tell(() => this.options.onSkipped?.(skipped));
  }

  failed(error: unknown, event: WireEvent | undefined): void {
    tell(() => this.options.onError?.(error, event));
  }

  pause(ms: number): Promise<void> {
    const { env } = this.client as unknown as Paging;
    return new Promise((resolve) => {
      const resume = (): void => {
        env.clearTimeout(timer);
        this.#pauses.delete(resume);
        resolve();
      };
      const timer = env.setTimeout(resume, ms);
      this.#pauses.add(resume);
    });
  }

  async #load(): Promise<void> {
    while (!this.#isLoaded && !this.isStopped) {
      try {
        this.#known = await this.positions.load();
        this.#isFirstRun = Object.keys(this.#known).length === 0;
        this.#isLoaded = true;
      } catch (error) {
        this.failed(error, undefined);
        await this.pause(1_000);
      }
    }
    this.#look();
  }

  /** The rooms may have changed, or their heads. */
  #look(): void {
    const { rooms, ready, hasMore } = this.client.rooms.getSnapshot();
    if (!this.#isLoaded || !ready || this.isStopped) return;
    if (hasMore) void this.#loadRooms();
    for (const info of rooms) {
      const { id, head } = info;
      if (!this.#lanes.has(id)) void this.#begin(info);
      else this.#lanes.get(id)?.reach(head);
    }
  }

  /** A bot has all of its rooms, not only those with the latest activity. */
  async #loadRooms(): Promise<void> {
    if (this.#isLoadingRooms) return;
    this.#isLoadingRooms = true;
    await this.client.rooms.loadMore().catch((error: unknown) => this.failed(error, undefined));
    this.#isLoadingRooms = false;
  }

  /** A room that is new here: where it begins is written down before anything else, so that a crash loses nothing of it. */
  async #begin({ id, head, read }: RoomInfo): Promise<void> {
    this.#lanes.set(id, undefined);
    try {
      const kept = this.#known[id];
      const position = kept ?? (await this.#first(id, head, read));
      if (!kept) await this.positions.save(id, position);
      const lane = new Lane(id, position, this);
      this.#lanes.set(id, lane);
      lane.recheck();
    } catch (error) {
      this.#lanes.delete(id);
      this.failed(error, undefined);
      await this.pause(1_000);
      this.#look();
    }
  }

  async #first(room: string, head: number, read: number): Promise<HandledPosition> {
    const { epoch, first } = await this.pageAfter(room, head);
    if (this.options.from === "start") return { epoch, seq: first - 1 };
    // On the very first run it begins with what comes; later, a room that came meanwhile with what was never read there.
    return { epoch, seq: this.#isFirstRun ? head : Math.max(first - 1, read) };
  }
}

/** A callback that throws is the program's own error, told as one; it stops no handling, and no pause after a failure is left out. */
function tell(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
