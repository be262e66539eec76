/**
 * What people see of each other that is never stored: presence, typing, read markers. Called by the test server; each
 * frame goes to those who are connected then, and to nobody later.
 */
import type { Presence, Reply } from "../protocol.generated.js";
import type { Clock } from "./clock.js";
import type { TestRoom } from "./room.js";
import { LIMITS, type Session } from "./session.js";

/** A person whose last connection ended is gone after this time, so that a reconnect does not flicker. */
const GRACE_MS = 30_000;
/** Who types is told at most once in this time. */
const TYPING_EVERY_MS = 1_000;
/** One who has not typed for so long has stopped. */
const TYPING_LASTS_MS = 6_000;
/** Names in a frame. */
const NAMED = 3;

/** Those who type in one room. */
interface Typists {
  readonly people: Map<string, number>;
  toldAt: number;
  isDue: boolean;
}

/** Presence, typing and markers of everybody. */
export class Around {
  readonly #typists = new Map<string, Typists>();
  /** Who was told to be here or away. */
  readonly #presence = new Map<string, Presence>();
  readonly #leaving = new Map<string, unknown>();

  constructor(
    private readonly world: {
      readonly clock: Clock;
      readonly rooms: ReadonlyMap<string, TestRoom>;
      readonly sessions: ReadonlySet<Session>;
    },
  ) {}

  presence(user: string): Presence {
    return this.#presence.get(user) ?? "offline";
  }

  /** A connection came, went, or was left alone. */
  turned(user: string): void {
    const own = [...this.world.sessions].filter((session) => session.user === user);
    const { clock } = this.world;
    if (own.length === 0) {
      if (!this.#leaving.has(user)) this.#leaving.set(user, clock.setTimeout(() => this.#tell(user, "offline"), GRACE_MS));
      return;
    }
    clock.clearTimeout(this.#leaving.get(user));
    this.#leaving.delete(user);
    this.#tell(user, own.every(({ isAway }) => isAway) ? "away" : "online");
  }

  /** Somebody has another name: their own windows and those in small rooms with them hear of it. */
  renamed(id: string, name: string): void {
    const frame: Reply = { type: "people", people: [{ id, name }] };
    for (const session of this.world.sessions) if (session.user === id || this.#isAround(id, session)) session.tell(frame, "answer");
  }

  typed(room: TestRoom, user: string): void {
    const typists = this.#typists.get(room.id) ?? { people: new Map(), toldAt: -Infinity, isDue: false };
    this.#typists.set(room.id, typists);
    typists.people.set(user, this.world.clock.monotonic());
    this.#typingIsDue(room, typists);
  }

  /** Somebody sent what they typed. */
  stopped(room: TestRoom, user: string): void {
    const typists = this.#typists.get(room.id);
    if (typists?.people.delete(user)) this.#typingIsDue(room, typists);
  }

  /** A marker moved: of a large room only the person's own windows hear. */
  moved(room: TestRoom, user: string, seq: number): void {
    const isSmall = room.members.size <= LIMITS.receipt_members;
    this.#toFollowers(room, { type: "receipt", room: room.id, user, seq }, (session) => isSmall || session.user === user);
  }

  #typingIsDue(room: TestRoom, typists: Typists): void {
    if (typists.isDue) return;
    const { clock } = this.world;
    const wait = typists.toldAt + TYPING_EVERY_MS - clock.monotonic();
    if (wait <= 0) return this.#tellTyping(room, typists);
    typists.isDue = true;
    clock.setTimeout(() => this.#tellTyping(room, typists), wait);
  }

  #tellTyping(room: TestRoom, typists: Typists): void {
    const now = this.world.clock.monotonic();
    typists.isDue = false;
    typists.toldAt = now;
    for (const [user, at] of typists.people) if (now - at >= TYPING_LASTS_MS) typists.people.delete(user);
    const all = [...typists.people.keys()].reverse();
    const users = all.slice(0, NAMED);
    this.#toFollowers(room, { type: "typing", room: room.id, users, more: all.length - users.length });
  }

  #tell(user: string, state: Presence): void {
    this.#leaving.delete(user);
    if (this.presence(user) === state) return;
    this.#presence.set(user, state);
    const frame = { type: "presence" as const, user, state, at: this.world.clock.now() };
    for (const session of this.world.sessions) if (session.user !== user && this.#isAround(user, session)) session.tell(frame, "answer");
  }

  /** Whether this connection follows a small room of that person. */
  #isAround(user: string, session: Session): boolean {
    const small = [...this.world.rooms.values()].filter(({ members }) => members.has(user) && members.size <= LIMITS.receipt_members);
    return small.some(({ id }) => session.follows(id));
  }

  #toFollowers(room: TestRoom, frame: Reply, hears: (session: Session) => boolean = () => true): void {
    for (const session of this.world.sessions) if (session.follows(room.id) && hears(session)) session.tell(frame, "answer");
  }
}
