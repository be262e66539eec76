/**
 * A Moorline server in memory: what a client's tests talk to instead of a real one. It speaks protocol version 1, keeps
 * the delivery contract, and does on command what networks and servers do wrong. Nothing of it is for production: it
 * stores nothing, checks no signature and knows no limits of rates.
 */
import type { Ack, event, Presence, RoomKind } from "../protocol.generated.js";
import { uuidV7Source } from "../uuid.js";
import { Around } from "./around.js";
import { bytesOf, chance, hexOf, type Chance } from "./chance.js";
import { FakeClock, type Clock } from "./clock.js";
import { noFaults, type Faults } from "./faults.js";
import { Link, type Carried } from "./link.js";
import { Refusal } from "./refusal.js";
import { TestRoom, type Answered, type Content } from "./room.js";
import { carryOut, type RulesWorld } from "./rules.js";
import { Session, type SessionWorld } from "./session.js";
import { TestWindow } from "./window.js";

/** How a test server begins. */
export interface TestServerOptions<C extends Clock = FakeClock> {
  /** Of ids, faults and jitter: the same seed and the same calls give the same run. */
  readonly seed?: number;
  /** A `FakeClock` where absent; `realClock()` for a page that somebody looks at. */
  readonly clock?: C;
}

/** A room as a backend makes it. */
export interface NewRoom {
  /** Made by the server where absent. */
  readonly id?: string;
  /** `group` where absent. */
  readonly kind?: RoomKind;
  readonly name?: string;
  /** People by id; those who are not known yet are made, with the id as their name. */
  readonly members?: readonly string[];
}

/** Makes a server without people and rooms. */
export function createTestServer(options: TestServerOptions = {}): TestServer<FakeClock> {
  return new TestServer({ clock: new FakeClock(), ...options });
}

/** The server. Its methods act as a backend, an operator, or the network. */
export class TestServer<C extends Clock = FakeClock> implements SessionWorld, RulesWorld {
  readonly clock: C;
  readonly random: Chance;
  /** What goes wrong, and how often. May be changed at any time. */
  readonly faults: Faults = noFaults();
  readonly rooms = new Map<string, TestRoom>();
  readonly people = new Map<string, string>();
  readonly creations = new Map<string, Answered>();
  readonly sessions = new Set<Session>();
  readonly windows: TestWindow[] = [];
  /** Called for each frame as it arrives, for tests that look at the wire. */
  onFrame: ((frame: Carried) => void) | undefined;
  readonly #around = new Around(this);
  readonly #tokens = new Map<string, string>();
  readonly #newId: () => string;
  #connections = 0;
  #isDown = false;

  constructor({ seed = 1, clock }: TestServerOptions<C> & { readonly clock: C }) {
    this.clock = clock;
    this.random = chance(seed);
    this.#newId = uuidV7Source({ now: () => clock.now(), randomBytes: (count) => bytesOf(this.random, count) });
  }

  /** Makes a person, or gives one another name. */
  person(id: string, name = id): void {
    const isRenamed = this.people.has(id) && this.people.get(id) !== name;
    this.people.set(id, name);
    if (isRenamed) this.#around.renamed(id, name);
  }

  /** Makes a room as a backend does, and gives its id. */
  room({ id, kind = "group", name, members = [] }: NewRoom = {}): string {
    for (const member of members) if (!this.people.has(member)) this.person(member);
    const room = this.newRoom(kind, name, id);
    const changes = members.map((user) => ({ user, change: "joined" as const, role: "member" as const }));
    if (changes.length > 0) this.commit(room, { kind: "member", from: members[0]!, cid: this.#newId(), changes });
    return room.id;
  }

  /** A message of a member, as a backend sends it; the same `cid` again is stored once. */
  say(room: string, from: string, body: string, cid = this.#newId()): Ack {
    return carryOut(this, from, { type: "send", room, cid, body });
  }

  /** The room's log as it is now. */
  log(room: string): readonly event[] {
    return this.#room(room).log;
  }

  /** A window of a person, who is made where not known. `createClient(server.window("ann").options)` is all it takes. */
  window(user: string): TestWindow {
    if (!this.people.has(user)) this.person(user);
    const window = new TestWindow(this, user);
    this.windows.push(window);
    return window;
  }

  /** Ends the connections of a person, or all, as a proxy does (code 1006). */
  cut(user?: string): void {
    for (const session of this.#sessionsOf(user)) session.link.cut();
  }

  /** Ends a person's connections with a goodbye, as at the end of a token; what is issued from now on is good. */
  expireToken(user: string): void {
    for (const [token, holder] of this.#tokens) if (holder === user) this.#tokens.delete(token);
    for (const session of this.#sessionsOf(user)) session.close(4401, "the token has expired", 0);
  }

  /** Signs a person out for good: connections end with 4403, and no token is good any more. */
  signOut(user: string): void {
    this.#tokens.clear();
    for (const session of this.#sessionsOf(user)) session.close(4403, "signed out");
  }

  /** The server drains and goes away; after `downMs` it is back. Clients are asked to wait up to `spreadMs`. */
  goAway({ downMs = 0, spreadMs = 0 } = {}): void {
    for (const session of this.#sessionsOf()) session.close(1012, "the server restarts", Math.floor(this.random() * spreadMs));
    if (downMs === 0) return;
    this.#isDown = true;
    this.clock.setTimeout(() => (this.#isDown = false), downMs);
  }

  /** The store was put back to an older state: events above `keep` are gone, and everybody is told. */
  loseHistory(room: string, keep: number): void {
    const lost = this.#room(room);
    lost.lose(keep);
    for (const session of this.sessions) session.lost(lost, "epoch");
  }

  /** Events below `first` are not kept any more. */
  prune(room: string, first: number): void {
    const pruned = this.#room(room);
    pruned.first = Math.max(pruned.first, Math.min(first, pruned.head + 1));
  }

  /** A backend tells a room's people, or one person, something that is not stored. */
  notice(to: { readonly room?: string; readonly user?: string }, name: string, data: unknown): void {
    for (const session of this.sessions) {
      const hears = to.room === undefined ? session.user === to.user : session.follows(to.room);
      if (hears) session.tell({ type: "notice", ...to, name, data }, "answer");
    }
  }

  /** No fault happens any more. What was lost before is found within ten seconds. */
  heal(): void {
    Object.assign(this.faults, noFaults());
  }

  // For windows, sessions, rules and rooms.

  /** @internal */
  connect(isReachable: boolean): Link {
    const session = new Session(this);
    const link = new Link(this, session);
    session.link = link;
    link.open(isReachable && !this.#isDown && !(this.faults.refuse > 0 && this.random() < this.faults.refuse));
    return link;
  }

  /** @internal */
  token(user: string): string {
    const token = `test-token-${this.#newId()}`;
    this.#tokens.set(token, user);
    return token;
  }

  /** @internal */
  userOf(token: string | undefined): string | undefined {
    return this.#tokens.get(token ?? "");
  }

  /** @internal */
  isPerson(id: string): boolean {
    return this.people.has(id);
  }

  /** @internal */
  newRoom(kind: RoomKind, name: string | undefined, id = `r_${hexOf(this.random, 24)}`): TestRoom {
    if (this.rooms.has(id)) throw new Refusal("conflict");
    const world = { eventId: this.#newId, epoch: () => hexOf(this.random, 16), now: () => this.clock.now() };
    const room = new TestRoom(world, id, kind, name);
    this.rooms.set(id, room);
    return room;
  }

  /** @internal */
  commit(room: TestRoom, content: Content): Ack {
    const stored = room.append(content);
    if (stored.kind === "message") this.#around.stopped(room, stored.from);
    for (const session of this.sessions) session.happened(room, stored);
    return room.ackOf(stored);
  }

  /** @internal */
  connectionName(): string {
    return `c-${++this.#connections}`;
  }

  /** @internal */
  came(session: Session): void {
    this.sessions.add(session);
    this.#around.turned(session.user!);
  }

  /** @internal */
  went(session: Session): void {
    if (this.sessions.delete(session)) this.#around.turned(session.user!);
  }

  /** @internal */
  presence(user: string): Presence {
    return this.#around.presence(user);
  }

  /** @internal */
  typed(room: TestRoom, user: string): void {
    this.#around.typed(room, user);
  }

  /** @internal */
  moved(room: TestRoom, user: string, seq: number): void {
    this.#around.moved(room, user, seq);
  }

  /** @internal */
  turned(user: string): void {
    this.#around.turned(user);
  }

  #room(id: string): TestRoom {
    const room = this.rooms.get(id);
    if (!room) throw new Refusal("not_found", `There is no room "${id}"; make it with server.room().`);
    return room;
  }

  #sessionsOf(user?: string): Session[] {
    return [...this.sessions].filter((session) => user === undefined || session.user === user);
  }
}
