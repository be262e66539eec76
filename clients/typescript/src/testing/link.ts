/**
 * One connection between a client and the test server: what the client holds for a WebSocket, and what the server
 * writes to. The faults are done here, and nowhere else; it knows frames as text and what may happen to each.
 */
import type { SocketLike } from "../env.js";
import type { Chance } from "./chance.js";
import type { Clock } from "./clock.js";
import type { Faults } from "./faults.js";

/** How late a frame may be that was repeated or overtaken. */
const LATE_MS = 100;

/** What may become of a frame: `event` may be repeated and overtaken; `fixed` is never lost alone. */
export type Sort = "event" | "answer" | "fixed";

/** The world that a link is in. */
export interface LinkWorld {
  readonly clock: Clock;
  readonly random: Chance;
  readonly faults: Faults;
  /** Hears of each frame as it arrives: for tests that look at the wire. */
  onFrame?: ((frame: Carried) => void) | undefined;
}

/** A frame that has arrived. */
export interface Carried {
  readonly to: "server" | "client";
  /** Whose connection it is, once `hello` said so. */
  readonly user: string | undefined;
  readonly text: string;
}

/** The server's side of a link. */
export interface LinkEnd {
  readonly user: string | undefined;
  command(text: string): void;
  /** The connection is gone, whoever ended it. Called once. */
  gone(): void;
}

/** Frames of one direction in their order. */
class Lane {
  #due = 0;
  #waiting = 0;

  constructor(private readonly world: LinkWorld) {}

  /** Delivers after what was given before; `late` ms after its turn where it shall be overtaken. */
  carry(deliver: () => void, late = 0): void {
    const { clock, random, faults } = this.world;
    const now = clock.monotonic();
    const due = Math.max(this.#due, now + Math.floor(random() * faults.delayMs));
    if (late > 0) return void clock.setTimeout(deliver, due - now + late);
    this.#due = due;
    // Without a delay a promise's turn is enough, unless something is waiting for its time.
    if (due === now && this.#waiting === 0) return queueMicrotask(deliver);
    this.#waiting++;
    clock.setTimeout(() => {
      this.#waiting--;
      deliver();
    }, due - now);
  }
}

/** The socket of a client. */
export class Link implements SocketLike {
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  #state: "opening" | "open" | "closed" = "opening";
  #isStalled = false;
  readonly #up: Lane;
  readonly #down: Lane;

  constructor(
    private readonly world: LinkWorld,
    private readonly end: LinkEnd,
  ) {
    this.#up = new Lane(world);
    this.#down = new Lane(world);
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  /** The server takes the connection, or it fails. */
  open(isAccepted: boolean): void {
    this.#down.carry(() => {
      if (this.#state !== "opening") return;
      if (!isAccepted) return this.#close(1006, "", false);
      this.#state = "open";
      this.onopen?.({} as never);
    });
  }

  /** The client sends. */
  send(text: string): void {
    const isFixed = text.startsWith('{"type":"hello"');
    if (!isFixed && this.#happens("drop")) return;
    const [cutsBefore, cutsAfter] = [this.#happens("cut"), this.#happens("cut")];
    this.#up.carry(() => {
      if (!this.isOpen || this.#isStalled) return;
      if (cutsBefore) return this.cut();
      this.#note("server", text);
      this.end.command(text);
      if (cutsAfter) this.cut();
    });
  }

  /** The client closes. */
  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.end.gone();
  }

  /** The server sends. */
  tell(text: string, sort: Sort): void {
    if (!this.isOpen) return;
    if (sort === "answer" && this.#happens("drop")) return;
    if (this.#happens("cut")) return this.cut();
    const { random } = this.world;
    const late = (): number => 1 + random() * LATE_MS;
    this.#down.carry(() => this.#hear(text), sort === "event" && this.#happens("reorder") ? late() : 0);
    if (sort === "event" && this.#happens("repeat")) this.#down.carry(() => this.#hear(text), late());
  }

  /** The server closes, after what it said before. */
  closeByServer(code: number, reason: string): void {
    this.#down.carry(() => this.#isStalled || this.#close(code, reason, true));
  }

  /** The network ends the connection, and everything on its way is lost. */
  cut(): void {
    this.#close(1006, "", false);
  }

  /** From now on nothing is carried, and nothing is said about it. */
  stall(): void {
    this.#isStalled = true;
  }

  #hear(data: string): void {
    if (!this.isOpen || this.#isStalled) return;
    this.#note("client", data);
    this.onmessage?.({ data } as never);
  }

  #note(to: Carried["to"], text: string): void {
    this.world.onFrame?.({ to, user: this.end.user, text });
  }

  #close(code: number, reason: string, wasClean: boolean): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.end.gone();
    this.onclose?.({ code, reason, wasClean } as never);
  }

  #happens(fault: Exclude<keyof Faults, "delayMs">): boolean {
    const { random, faults } = this.world;
    return faults[fault] > 0 && random() < faults[fault];
  }
}
