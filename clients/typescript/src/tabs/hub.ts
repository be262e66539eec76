/**
 * The leader's end: the one connection of all tabs, and their places at it. What the server says goes to every tab, what
 * a tab asks goes to the server. A tab that comes later gets a welcome made of what the server says now, so that to each
 * tab the shared connection is one of its own. It keeps no messages and writes nothing: what must not be lost stands in
 * the outbox of the tab that wrote it.
 */
import type { State } from "../api.js";
import { Connection, type ConnectionHost } from "../connection.js";
import type { Environment } from "../env.js";
import type { MoorlineError } from "../error.js";
import type { Command, Position, Reply, Request, ResetFrame, ServerFrame, Welcome, WirePerson, WireRoom } from "../wire.js";
import { PacedTimers } from "./paced.js";
import { isCovered, StreamPositions, type PositionMap } from "./positions.js";
import { plain, type Asked, type Told } from "./words.js";

/** Frames kept for a tab until its welcome; the oldest give way, and the tab's log fetches what it then lacks. */
const HELD = 2_000;
/** Rooms in a welcome. */
const NAMED = 100;
/** A reset that comes so long after a tab asked is not the answer to it. */
const ASKED_MS = 10_000;
/** With followers at hand, which speak up more often, a longer silence means that this tab stood still. */
const STILL_MS = 1_000;
/** Where the server did not answer what a welcome is made of, it is asked again. */
const GREET_MS = 1_000;
/** After a refusal for good, tabs that come may know better; all of them together try once in this time. */
const AGAIN_MS = 5_000;
/** Until the server tells. */
const RESUME_ROOMS = 200;

/** A tab at the connection. */
interface Guest {
  readonly tell: (told: Told) => void;
  /** Rooms that it was told of; an event of another is announced by its room. */
  readonly rooms: Set<string>;
  /** What came before its welcome; undefined once it has had that. */
  held: ServerFrame[] | undefined;
  /** From where the stream reaches it. */
  base: PositionMap;
  isAway: boolean;
}

/** What the hub needs of the tab that leads. */
export interface HubHost {
  readonly env: Environment;
  readonly url: string;
  readonly options: ConnectionHost["options"];
  /** Asks the browser whether this tab still leads. */
  stillLeads(): Promise<boolean>;
}

/** The one connection. */
export class Hub implements ConnectionHost {
  readonly url: string;
  readonly options: ConnectionHost["options"];
  readonly #timers: PacedTimers;
  readonly #connection: Connection;
  readonly #guests = new Map<string, Guest>();
  readonly #stream = new StreamPositions();
  readonly #people = new Map<string, WirePerson>();
  /** Rooms as the server last described them, for tabs that were not told of them. */
  readonly #rooms = new Map<string, WireRoom>();
  /** Who asked to go on in a room, and until when a reset is the answer. */
  readonly #askers = new Map<string, { readonly guests: Set<Guest>; readonly until: number }>();
  #welcome: Welcome | undefined;
  /** What `hello` left to resume. */
  #later: readonly Record<string, Position>[] = [];
  /** Positions of tabs that answered before the connection was live, as the leader's own does. */
  #early: (readonly [Guest, Readonly<Record<string, Position>>])[] = [];
  #base: PositionMap = new Map();
  #isAway = false;
  #heardAt: number;
  #closedAt = -Infinity;
  #again: unknown;
  /** Frames that wait until it is known whether this tab still leads. */
  #doubted: ServerFrame[] | undefined;
  #isClosed = false;

  constructor(private readonly host: HubHost) {
    this.url = host.url;
    this.options = host.options;
    this.#timers = new PacedTimers(host.env);
    this.#connection = new Connection(this.#timers.environment, this);
    this.#heardAt = host.env.monotonic();
  }

  /** Connects, going on from what the leading tab has. */
  start(positions: Readonly<Record<string, Position>>): void {
    this.#stream.adopt(positions);
    this.#connection.start();
  }

  /** The connection ends, and nobody hears another word. */
  close(): void {
    this.#isClosed = true;
    this.#guests.clear();
    this.#connection.stop();
  }

  /** A tab takes its place; one that was here before begins anew. */
  join(tab: string, tell: (told: Told) => void): void {
    const guest: Guest = { tell, rooms: new Set(), held: [], base: this.#stream.copy(), isAway: false };
    this.#guests.set(tab, guest);
    const { state } = this.#connection;
    if (state.is === "closed") return this.#startAgain(guest, state);
    tell({ is: "state", state });
    if (state.is === "live") void this.#greet(tab, guest);
  }

  /** Twelve tabs of one who is signed out ask for two tokens, and for two more some seconds later, not for 24. */
  #startAgain({ tell }: Guest, { code, reason }: State & { is: "closed" }): void {
    const { env } = this.host;
    const wait = Math.max(0, this.#closedAt + AGAIN_MS - env.monotonic());
    tell({ is: "state", state: { is: "waiting", attempt: 0, until: env.now() + wait, code, reason } });
    this.#again ??= this.#timers.environment.setTimeout(() => {
      this.#again = undefined;
      if (!this.#isClosed) this.#connection.start();
    }, wait);
  }

  /** A tab is gone. */
  left(tab: string): void {
    if (this.#guests.delete(tab)) this.#tellAway();
  }

  /** What a tab says. Its words also keep the connection's timers on time. */
  asked(tab: string, asked: Asked): void {
    const guest = this.#guests.get(tab);
    if (!guest) return;
    if (asked.is !== "ping") this.#timers.tick();
    if (asked.is === "ping") this.#pinged(guest);
    else if (asked.is === "request") void this.#request(guest, asked.n, asked.command);
    else if (asked.is === "notify") this.#notify(guest, asked.command);
    else if (asked.is === "positions") this.#resume(guest, asked.positions);
    else if (asked.is === "retry") this.#connection.retryNow();
    else if (asked.is === "start") this.#connection.start();
    else this.left(tab);
  }

  #pinged(guest: Guest): void {
    guest.tell({ is: "pong" });
    if (this.#stoodStill()) this.#doubt();
    else this.#timers.tick();
  }

  // For the connection.

  positions(most = this.#welcome?.limits.resume_rooms ?? RESUME_ROOMS): Record<string, Position> {
    const [first = {}, ...later] = this.#stream.pieces(most);
    this.#later = later;
    this.#base = this.#stream.copy();
    return first;
  }

  welcomed(welcome: Welcome): void {
    this.#early = [];
    this.#welcome = welcome;
    this.#rooms.clear();
    this.#learn(welcome);
    this.#base = new Map([...welcome.rooms.map(({ id, epoch, head }) => [id, { epoch, seq: head }] as const), ...this.#base]);
    this.#isAway = false;
    for (const guest of this.#guests.values()) {
      guest.base = this.#base;
      guest.isAway = false;
      this.#admit(guest, welcome);
    }
  }

  live(): void {
    for (const [guest, positions] of this.#early.splice(0)) this.#resume(guest, positions);
    for (const positions of this.#later) this.#connection.notify({ type: "resume", positions });
    this.#later = [];
  }

  frame(frame: ServerFrame): void {
    if (this.#isClosed) return;
    if (this.#stoodStill()) this.#doubt();
    if (this.#doubted) return void this.#doubted.push(frame);
    this.#learn(frame);
    if (frame.type === "reset") return this.#reset(frame);
    if (frame.type === "room" && frame.change === "gone") this.#stream.gone(frame.id);
    for (const guest of this.#guests.values()) this.#give(guest, frame);
  }

  stateChanged(state: State): void {
    if (state.is === "closed") this.#closedAt = this.host.env.monotonic();
    if (!this.#isClosed) this.#tellAll({ is: "state", state: state });
  }

  disconnected(code: number, reason: string, clean: boolean): void {
    this.#tellAll({ is: "disconnected", code, reason, clean });
  }

  fault(error: MoorlineError): void {
    this.#tellAll({ is: "fault", error: plain(error) });
  }

  /** Whether nothing ran here for so long that another tab may have taken over. */
  #stoodStill(): boolean {
    const now = this.host.env.monotonic();
    const silence = now - this.#heardAt;
    this.#heardAt = now;
    return silence > STILL_MS && this.#guests.size > 1;
  }

  /** What came while this tab stood still may have been given out by another leader: first ask who leads. */
  #doubt(): void {
    if (this.#doubted) return;
    this.#doubted = [];
    void this.host.stillLeads().then((leads) => {
      const frames = this.#doubted ?? [];
      this.#doubted = undefined;
      if (leads) for (const each of frames) this.frame(each);
    });
  }

  /** A welcome for a tab that came later: the server's word on its rooms as they are now. */
  async #greet(tab: string, guest: Guest): Promise<void> {
    const welcome = this.#welcome;
    const page = await this.#connection.request({ type: "rooms", limit: NAMED }).catch(() => undefined);
    // Cut meanwhile: the next welcome is for everybody.
    if (!welcome || welcome !== this.#welcome || !guest.held || this.#guests.get(tab) !== guest) return;
    if (page?.type !== "rooms") return void this.#timers.environment.setTimeout(() => this.#greet(tab, guest), GREET_MS);
    this.#learn(page);
    const { rooms, after, more } = page;
    const count = more ? Math.max(welcome.totals.rooms, rooms.length + 1) : rooms.length;
    const [unread, mentions] = more ? [welcome.totals.unread, welcome.totals.mentions] : [total(rooms, "unread"), total(rooms, "mentions")];
    const people = [...this.#people.values()];
    this.#admit(guest, { ...welcome, rooms, after, people, totals: { rooms: count, unread, mentions } });
    guest.tell({ is: "state", state: this.#connection.state });
  }

  #admit(guest: Guest, welcome: Welcome): void {
    const held = guest.held ?? [];
    guest.held = undefined;
    guest.rooms.clear();
    for (const { id } of welcome.rooms) guest.rooms.add(id);
    guest.tell({ is: "welcome", welcome });
    for (const frame of held) this.#give(guest, frame);
  }

  #give(guest: Guest, frame: ServerFrame): void {
    if (guest.held) {
      if (guest.held.push(frame) > HELD) guest.held.shift();
      return;
    }
    if (frame.type === "room" && frame.change === "added") guest.rooms.add(frame.room.id);
    const room = frame.type === "event" && !guest.rooms.has(frame.room) && this.#rooms.get(frame.room);
    if (room) {
      guest.rooms.add(room.id);
      guest.tell({ is: "frame", frame: { type: "room", change: "added", room } });
    }
    guest.tell({ is: "frame", frame });
  }

  /** To those who asked to go on in the room; to all when nobody did. */
  #reset(frame: ResetFrame): void {
    const { room, reason, epoch, head } = frame;
    if (reason === "gone") this.#stream.gone(room);
    else this.#stream.reset(room, epoch, head);
    const asked = this.#askers.get(room);
    const isAnswer = asked && this.host.env.monotonic() < asked.until;
    this.#askers.delete(room);
    for (const guest of isAnswer ? asked.guests : this.#guests.values()) this.#give(guest, frame);
  }

  async #request(guest: Guest, n: number, command: Request): Promise<void> {
    try {
      const reply = await this.#connection.request(command);
      this.#learn(reply, guest);
      if (command.type === "rooms" && reply.type === "rooms") for (const { id } of reply.rooms) guest.rooms.add(id);
      guest.tell({ is: "answer", n, reply });
    } catch (error) {
      guest.tell({ is: "refusal", n, error: plain(error as MoorlineError) });
    }
  }

  #notify(guest: Guest, command: Command): void {
    if (command.type === "resume") return this.#ask(guest, command.positions as Record<string, Position>);
    if (command.type !== "away") return void this.#connection.notify(command);
    guest.isAway = command.on;
    this.#tellAway();
  }

  /** A tab's positions after a welcome: the server is asked for what the common stream does not bring. */
  #resume(guest: Guest, positions: Readonly<Record<string, Position>>): void {
    if (this.#connection.state.is !== "live") return void this.#early.push([guest, positions]);
    const isRest = ([room, position]: [string, Position]): boolean => !isCovered(position, guest.base.get(room));
    for (const room of Object.keys(positions)) guest.rooms.add(room);
    const rest = Object.entries(positions).filter(isRest);
    if (rest.length) this.#ask(guest, Object.fromEntries(rest));
  }

  #ask(guest: Guest, positions: Record<string, Position>): void {
    const now = this.host.env.monotonic();
    if (!this.#connection.notify({ type: "resume", positions })) return;
    this.#stream.adopt(positions);
    for (const room of Object.keys(positions)) {
      const known = this.#askers.get(room);
      // Most are answered by events, not by a reset: who asked long ago is not kept in mind for one.
      const guests = known && now < known.until ? known.guests : new Set<Guest>();
      this.#askers.set(room, { guests: guests.add(guest), until: now + ASKED_MS });
    }
  }

  /** A person is away once nobody is at any of the tabs. */
  #tellAway(): void {
    const guests = [...this.#guests.values()];
    const isAway = guests.length > 0 && guests.every((guest) => guest.isAway);
    if (isAway !== this.#isAway && this.#connection.notify({ type: "away", on: isAway })) this.#isAway = isAway;
  }

  /** Names and rooms are told once a connection; tabs that did not ask, or come later, need them too. */
  #learn(frame: ServerFrame | Reply, asker?: Guest): void {
    if (frame.type === "event") this.#stream.passed(frame);
    if (frame.type === "welcome" || (frame.type === "rooms" && !asker)) for (const room of frame.rooms) this.#named(room);
    if (frame.type === "room" && frame.change === "added") this.#named(frame.room);
    if (frame.type === "presence") this.#person({ id: frame.user, name: frame.user, ...this.#people.get(frame.user), presence: frame.state });
    const people = "people" in frame ? (frame.people ?? []) : [];
    for (const person of people) this.#person({ ...this.#people.get(person.id), ...person });
    if (!asker || people.length === 0) return;
    for (const guest of this.#guests.values()) if (guest !== asker) this.#give(guest, { type: "people", people });
  }

  #person(person: WirePerson): void {
    this.#people.set(person.id, person);
  }

  #named(room: WireRoom): void {
    this.#rooms.set(room.id, room);
    this.#stream.named(room);
  }

  #tellAll(told: Told): void {
    for (const guest of this.#guests.values()) guest.tell(told);
  }
}

function total(rooms: readonly WireRoom[], count: "unread" | "mentions"): number {
  return rooms.reduce((sum, room) => sum + room[count], 0);
}
