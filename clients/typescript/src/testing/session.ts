/**
 * One connection at the test server: reads commands, answers in their order, and brings what happens in the person's
 * rooms. Made by the server for each link. What a command may do is the rules' business.
 */
import type { Command, event, Keepalive, Limits, Person, Reply, Welcome } from "../protocol.generated.js";
import type { Link, LinkEnd, LinkWorld, Sort } from "./link.js";
import { parse } from "./parse.js";
import { answerOf, known, mentioned, mentionedIn, ownRooms, roomsPage, type Reading, type ReadsWorld } from "./reads.js";
import { Refusal } from "./refusal.js";
import type { TestRoom } from "./room.js";
import { carryOut, type Durable, type RulesWorld } from "./rules.js";

/** What `welcome` tells, and what holds here. */
export const LIMITS: Limits = {
  ...{ message_bytes: 65_536, frame_bytes: 262_144, commands_per_second: 50, burst: 200, rooms: 5_000, resume_rooms: 200 },
  ...{ resume_events: 1_000, resume_total: 5_000, history: 200, receipt_members: 64, list: 100, name_chars: 80 },
};
const KEEPALIVE: Keepalive = { interval_ms: 25_000, timeout_ms: 60_000 };
/** A connection that has not said `hello` by then is closed. */
const HELLO_MS = 10_000;
/** How often the server looks whether an event was lost on its way: the nodes' comparison of heads. */
const LOOK_MS = 10_000;
/** When a command may be tried again that was answered by `unavailable`. */
const RETRY_MS = 100;

/** What a session needs of the server. */
export interface SessionWorld extends RulesWorld, ReadsWorld, LinkWorld {
  /** Whose token this is; undefined where it is none or is not good any more. */
  userOf(token: string | undefined): string | undefined;
  connectionName(): string;
  came(session: Session): void;
  went(session: Session): void;
  typed(room: TestRoom, user: string): void;
  moved(room: TestRoom, user: string, seq: number): void;
  turned(user: string): void;
}

type Positions = NonNullable<Extract<Command, { type: "hello" }>["resume"]>;

/** One connection. */
export class Session implements LinkEnd {
  user: string | undefined;
  isAway = false;
  /** The rooms that are followed, and up to where the client was told. */
  readonly #told = new Map<string, number>();
  /** The lowest event of a room that was lost on its way. */
  readonly #lost = new Map<string, number>();
  readonly #introduced = new Set<string>();
  link!: Link;
  #timers: unknown[] = [];
  #heardAt: number;

  constructor(private readonly world: SessionWorld) {
    this.#heardAt = world.clock.monotonic();
    this.#after(HELLO_MS, () => this.user === undefined && this.close(4400, "no hello within 10 seconds"));
  }

  command(text: string): void {
    this.#heardAt = this.world.clock.monotonic();
    const { id, command } = parse(text);
    if (this.user === undefined) return this.#first(id, command);
    try {
      if (command instanceof Refusal) throw command;
      this.#answer(id, this.#carryOut(this.user, command));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#answer(id, failure(error));
    }
  }

  gone(): void {
    for (const timer of this.#timers.splice(0)) this.world.clock.clearTimeout(timer);
    this.world.went(this);
  }

  /** Says why, where the protocol does, and ends the connection. */
  close(code: number, reason: string, afterMs?: number): void {
    if (afterMs !== undefined) this.tell({ type: "goodbye", code, reconnect: true, after_ms: afterMs }, "fixed");
    this.link.closeByServer(code, reason);
  }

  tell(frame: event | Reply, sort: Sort): void {
    this.link.tell(JSON.stringify(frame), sort);
  }

  /** Whether this connection hears of the room. */
  follows(room: string): boolean {
    return this.#told.has(room);
  }

  /** An event of a room was stored. */
  happened(room: TestRoom, stored: event): void {
    const { user } = this;
    if (user === undefined) return;
    const change = stored.kind === "member" ? stored.changes.find((each) => each.user === user)?.change : undefined;
    if (this.#told.has(room.id)) this.#bring(room.id, stored);
    else if (room.members.has(user) && change !== "joined") return this.#announce(room, user);
    if (change === "joined") this.#announce(room, user);
    else if (change) this.#leave(room.id);
  }

  /** The room's log began another life, or its beginning went. */
  lost(room: TestRoom, reason: "epoch" | "pruned"): void {
    const { user } = this;
    if (user === undefined || !this.#told.has(room.id)) return;
    if (!room.members.has(user)) return this.#leave(room.id);
    if (reason === "epoch") this.#reset(room, reason, room.seesFrom(user));
  }

  #first(id: number | undefined, command: Command | Refusal): void {
    if (command instanceof Refusal || command.type !== "hello") {
      if (command instanceof Refusal) this.#answer(id, failure(command));
      this.#answer(id, failure(new Refusal("hello_first")));
      return this.close(4400, "the first command must be hello");
    }
    const user = this.world.userOf(command.token);
    if (user === undefined) {
      this.#answer(id, failure(new Refusal("token_refused")));
      return this.close(4401, "the token was refused");
    }
    const { resume = {} } = command;
    if (Object.keys(resume).length > LIMITS.resume_rooms) {
      this.#answer(id, failure(new Refusal("invalid", "at most 200 positions at once; send the others by `resume`")));
      return this.close(4400, "too many positions");
    }
    this.user = user;
    this.tell(this.#welcome(user), "fixed");
    this.#resume(user, resume, LIMITS.resume_total);
    if (command.keepalive) this.#keepAlive();
    this.world.came(this);
  }

  #welcome(user: string): { type: "welcome" } & Welcome {
    const { world } = this;
    const { rooms, people, after } = roomsPage(world, ownRooms(world, user), {}, user);
    for (const room of rooms) this.#told.set(room.id, room.head);
    this.#meet(people);
    const unread = ownRooms(world, user).reduce((sum, room) => sum + room.info(user).unread, 0);
    return {
      ...{ type: "welcome" as const, connection: world.connectionName(), user: { id: user, name: world.people.get(user) ?? user } },
      ...{ time: world.clock.now(), server: { name: "moorline-testing", version: "0.1.0" }, keepalive: KEEPALIVE, limits: LIMITS },
      ...{ totals: { rooms: ownRooms(world, user).length, unread, mentions: 0 }, rooms, ...(after !== undefined && { after }), people },
    };
  }

  /** Brings what follows the client's positions, or says that it cannot. */
  #resume(user: string, positions: Positions, total = Infinity): void {
    let budget = total;
    for (const [id, position] of Object.entries(positions).sort(([left], [right]) => (left < right ? -1 : 1))) {
      const room = this.world.rooms.get(id);
      if (!room?.members.has(user) || !position) {
        this.tell({ type: "reset", room: id, reason: "gone" }, "fixed");
        continue;
      }
      const resumed = room.resume(user, position, Math.min(budget, LIMITS.resume_events));
      this.#told.set(id, room.head);
      this.#lost.delete(id);
      if ("reason" in resumed) {
        this.#reset(room, resumed.reason, resumed.first);
        continue;
      }
      budget -= resumed.events.length;
      for (const each of resumed.events) this.#bring(id, each);
    }
  }

  #reset(room: TestRoom, reason: "epoch" | "future" | "pruned" | "too_far", first: number): void {
    this.#told.set(room.id, room.head);
    this.#lost.delete(room.id);
    this.tell({ type: "reset", room: room.id, reason, epoch: room.epoch, first, head: room.head }, "fixed");
  }

  #announce(room: TestRoom, user: string): void {
    const info = room.info(user);
    this.#told.set(room.id, room.head);
    const people = known(this.world, mentionedIn(info));
    this.tell({ type: "room", change: "added", room: info, ...(people.length > 0 && { people }) }, "fixed");
  }

  #leave(room: string): void {
    this.#told.delete(room);
    this.#lost.delete(room);
    this.tell({ type: "room", change: "gone", id: room }, "fixed");
  }

  #bring(room: string, stored: event): void {
    this.#told.set(room, Math.max(stored.seq, this.#told.get(room) ?? 0));
    const { random, faults } = this.world;
    if (faults.drop > 0 && random() < faults.drop) return this.#noteLost(room, stored.seq);
    const unknown = known(this.world, mentioned(stored)).filter(({ id }) => !this.#introduced.has(id));
    this.#meet(unknown);
    this.tell(unknown.length > 0 ? { ...stored, people: unknown } : stored, "event");
  }

  #noteLost(room: string, seq: number): void {
    if (this.#lost.size === 0) this.#after(LOOK_MS, () => this.#look());
    this.#lost.set(room, Math.min(seq, this.#lost.get(room) ?? seq));
  }

  /** Tells again from the lowest lost event on. */
  #look(): void {
    const lost = [...this.#lost];
    this.#lost.clear();
    for (const [id, seq] of lost) {
      const room = this.world.rooms.get(id)!;
      for (const each of room.between(this.user, seq, this.#told.get(id) ?? 0)) this.#bring(id, each);
    }
  }

  #carryOut(user: string, command: Command): Reply | undefined {
    const { world } = this;
    switch (command.type) {
      case "hello":
        throw new Refusal("already_hello");
      case "ping":
        return { type: "pong" };
      case "pong":
        return undefined;
      case "resume":
        return void this.#resume(user, command.positions);
      case "away":
        this.isAway = command.on;
        return void world.turned(user);
      case "typing": {
        const room = this.#told.has(command.room) && world.rooms.get(command.room);
        return room ? void world.typed(room, user) : undefined;
      }
      case "read": {
        const room = world.rooms.get(command.room);
        const read = room?.read(user, command.seq);
        return room && read !== undefined ? void world.moved(room, user, read) : undefined;
      }
      default:
        return this.#answered(user, command);
    }
  }

  #answered(user: string, command: Durable | Reading): Reply {
    const { world } = this;
    if (world.faults.unavailable > 0 && world.random() < world.faults.unavailable) throw new Refusal("unavailable");
    if ("cid" in command) return { type: "ack", ...carryOut(world, user, command) };
    const answer = answerOf(world, user, command);
    if (answer.type === "rooms" && command.type === "rooms") {
      for (const { id, head } of answer.rooms) if (!this.#told.has(id)) this.#told.set(id, head);
    }
    return answer;
  }

  #answer(id: number | undefined, reply: Reply | undefined): void {
    if (reply) this.tell({ ...reply, ...(id !== undefined && { id }) } as Reply, "answer");
  }

  #meet(people: readonly Person[]): void {
    for (const { id } of people) this.#introduced.add(id);
  }

  #keepAlive(): void {
    this.#after(KEEPALIVE.interval_ms, () => {
      if (this.world.clock.monotonic() - this.#heardAt >= KEEPALIVE.timeout_ms) return this.close(4441, "nothing was heard");
      this.tell({ type: "ping" }, "fixed");
      this.#keepAlive();
    });
  }

  #after(ms: number, act: () => unknown): void {
    this.#timers.push(this.world.clock.setTimeout(act as () => void, ms));
  }
}

function failure({ code, message }: Refusal): Reply {
  const retry = code === "unavailable";
  return { type: "error", code, message, retry, ...(retry && { retry_after_ms: RETRY_MS }) };
}
