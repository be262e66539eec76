/**
 * The client: puts the parts together and routes frames between them. The connection below knows no rooms, the rooms
 * know no connection; what both need stands here. Every public method is described in `api.ts`.
 */
import type {
  Client,
  ClientEvents,
  ClientOptions,
  ClientSnapshot,
  Page,
  Person,
  RoomInfo,
  State,
} from "./api.js";
import { Calls } from "./calls.js";
import { Connection, type ConnectionHost } from "./connection.js";
import { defaultEnvironment, type Environment } from "./env.js";
import type { MoorlineError } from "./error.js";
import { Emitter, Notifier, Signal } from "./observable.js";
import { Outbox, type OutboxHost } from "./outbox.js";
import { People } from "./people.js";
import { RoomHandle, type RoomContext } from "./room-handle.js";
import { browsed } from "./room-state.js";
import { Rooms, type RoomsHost } from "./rooms.js";
import { indexedDbStore } from "./store/indexeddb.js";
import type { OutboxEntry } from "./store/store.js";
import { messageItem } from "./timeline.js";
import { uuidV7Source } from "./uuid.js";
import type {
  MessageEvent,
  PageReply,
  Position,
  RoomsReply,
  ServerFrame,
  Welcome,
  WireEvent,
} from "./wire.js";

/** A connection of one's own, or a place at a shared one. */
type ClientConnection = Pick<Connection, "state" | "start" | "stop" | "retryNow" | "request" | "notify"> & { readonly leads?: boolean };

/** Until the server tells: what it tells by default. */
const DEFAULT_LIMITS = { message_bytes: 65_536, resume_rooms: 200, list: 100 };

/** One person's connection to one server. Nothing happens before `start()`. */
export function createClient(options: ClientOptions = {}): Client {
  return new MoorlineClient(options, { ...defaultEnvironment(), ...options.environment });
}

/** The parts' host: what they ask of each other goes through the methods in the second half. */
class MoorlineClient extends Signal<ClientSnapshot> implements Client, ConnectionHost, OutboxHost, RoomsHost, RoomContext {
  readonly people: People;
  readonly rooms: Rooms;
  readonly calls: Calls;
  readonly outbox: Outbox;
  readonly url: string;
  readonly uuid: () => string;
  me: string | undefined;
  readonly #events = new Emitter<ClientEvents>();
  connection: ClientConnection;
  readonly #handles = new Map<string, RoomHandle>();
  #server: ClientSnapshot["server"];
  #limits = DEFAULT_LIMITS;
  #isReady = false;
  #isAway = false;
  #isWanted = false;
  /** Until it is known with whom the connection is shared; where that cannot be loaded, it is not. */
  #sharing: Promise<void> | undefined;

  constructor(
    readonly options: ClientOptions,
    readonly env: Environment,
  ) {
    super(new Notifier(env));
    this.url = socketUrl(options.url, env.location);
    this.me = options.user;
    this.uuid = uuidV7Source(env);
    this.connection = new Connection(env, this);
    this.calls = new Calls(env, this);
    this.outbox = new Outbox(env, options.store ?? indexedDbStore(), this);
    this.people = new People(this.notifier, (person) => this.rooms.renamed(person));
    this.rooms = new Rooms(this.notifier, this);
    // Only of a person who is known: a connection is never shared with somebody else.
    if (this.me !== undefined && options.shareTabs !== false && env.openChannel) this.#share();
  }

  start(): void {
    if (this.me !== undefined) this.outbox.open(this.#scope);
    this.#isWanted = true;
    if (this.#sharing) void this.#sharing.then(() => this.#isWanted && this.connection.start());
    else this.connection.start();
  }

  stop(): void {
    this.#isWanted = false;
    this.connection.stop();
    this.outbox.release();
  }

  #share(): void {
    const ended = (): void => (this.#sharing = undefined);
    this.#sharing = import("./tabs/share.js").then(({ share }) => void (this.connection = share(this))).then(ended, ended);
  }

  retryNow(): void {
    this.connection.retryNow();
  }

  setAway(on: boolean): void {
    if (on !== this.#isAway) this.#tellAway((this.#isAway = on));
  }

  /** Without a connection nobody hears it now; the next one does. */
  #tellAway(on: boolean): void {
    this.connection.notify({ type: "away", on });
  }

  on<K extends keyof ClientEvents>(event: K, listener: (value: ClientEvents[K]) => void): () => void {
    return this.#events.on(event, listener);
  }

  room(id: string): RoomHandle {
    let handle = this.#handles.get(id);
    if (!handle) this.#handles.set(id, (handle = new RoomHandle(id, this)));
    return handle;
  }

  async create(room: Parameters<Client["create"]>[0]): Promise<string> {
    const members = [...(room.members ?? [])];
    const ack = await this.calls.run({ type: "create", cid: this.uuid(), ...room, members }, "ack");
    return ack.room;
  }

  join(room: string): Promise<void> {
    return this.room(room).join();
  }

  async browse({ query, after, limit = 50 }: Parameters<Client["browse"]>[0] = {}): Promise<Page<RoomInfo>> {
    const page = await this.calls.run({ type: "browse", query, after, limit }, "rooms");
    return { items: page.rooms.map(browsed), more: page.more, after: page.after };
  }

  async findPeople(query: string, limit = 20): Promise<readonly Person[]> {
    return (await this.calls.run({ type: "people", query, limit }, "people")).people;
  }

  async lookUp(ids: readonly string[]): Promise<void> {
    const unknown = [...new Set(ids)].filter((id) => !this.people.has(id));
    const limit = this.#limits.list;
    while (unknown.length) await this.calls.run({ type: "people", ids: unknown.splice(0, limit), limit }, "people");
  }

  async search(query: string, options: Parameters<Client["search"]>[1] = {}): ReturnType<Client["search"]> {
    const found = await this.calls.run({ type: "search", query, limit: 50, ...options }, "hits");
    return { ...found, hits: found.hits.map((hit) => ({ room: hit.room, message: messageItem(hit as MessageEvent, this.me) })) };
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.outbox.counts().queued) return;
        stop();
        resolve();
      };
      const stop = this.subscribe(look);
      look();
    });
  }

  // For the connection.

  positions(most = this.#limits.resume_rooms): Record<string, Position> {
    return this.rooms.positions(most);
  }

  welcomed(welcome: Welcome): void {
    const { user, server, limits, people = [] } = welcome;
    const previous = this.me;
    const isOther = previous !== undefined && previous !== user.id;
    if (isOther) this.#forgetPerson();
    this.me = user.id;
    this.#server = server;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.outbox.open(this.#scope);
    this.people.learn([user, ...people]);
    this.rooms.welcome(welcome);
    this.#isReady = true;
    if (isOther) this.#events.emit("user", { previous, user: this.people.get(user.id) });
  }

  live(): void {
    this.rooms.resumeLater(this.#limits.resume_rooms);
    this.outbox.live();
    this.calls.wake();
    // A new connection is not away until it says so.
    if (this.#isAway) this.#tellAway(true);
    for (const handle of this.#handles.values()) handle.live();
  }

  frame(frame: ServerFrame): void {
    if ("people" in frame) this.people.learn(frame.people);
    if (frame.type === "event") this.rooms.receive(frame);
    else if (frame.type === "receipt") this.rooms.receipt(frame);
    else if (frame.type === "typing") this.rooms.typing(frame.room, frame.users, frame.more);
    else if (frame.type === "presence") this.people.presence(frame.user, frame.state, frame.at);
    else if (frame.type === "notice") this.#events.emit("notice", frame);
    else if (frame.type === "reset") this.rooms.reset(frame);
    else if (frame.type === "room") frame.change === "added" ? this.rooms.learn(frame.room) : this.rooms.gone(frame.id);
  }

  stateChanged(state: State): void {
    if (state.is === "closed") this.calls.wake();
    this.touch();
    this.#events.emit("state", state);
  }

  disconnected(code: number, reason: string, clean: boolean): void {
    this.#events.emit("disconnected", { code, reason, clean });
  }

  fault(error: MoorlineError): void {
    this.#events.emit("error", error);
  }

  // For the outbox.

  queueChanged(room: string): void {
    this.rooms.refresh(room);
    this.touch();
  }

  refused({ room, cid }: OutboxEntry, error: MoorlineError): void {
    this.#events.emit("failed", { room, cid, error });
  }

  // For the rooms and their handles.

  applied(event: WireEvent, live: boolean): void {
    const { room } = event;
    this.#handles.get(room)?.applied(event);
    this.#events.emit("event", event);
    if (event.kind === "message") this.#events.emit("message", { room, message: messageItem(event, this.me), live });
  }

  roomChanged(room: string, change: "added" | "gone" | "reset", reason?: string): void {
    this.#handles.get(room)?.changed(change, reason);
    this.#events.emit("room", { room, change, reason });
  }

  refreshed(room: string): void {
    this.#handles.get(room)?.touch();
  }

  pageAfter(room: string, after: number): Promise<PageReply> {
    return this.calls.run({ type: "history", room, after, limit: 200 }, "page");
  }

  nextPage(after: string): Promise<RoomsReply> {
    return this.calls.run({ type: "rooms", after, limit: 100 }, "rooms");
  }

  isOpen(room: string): boolean {
    return !!this.#handles.get(room)?.isOpen;
  }

  protected build(): ClientSnapshot {
    const { me, outbox } = this;
    const server = this.#server;
    return {
      state: this.connection.state,
      user: me === undefined ? undefined : this.people.get(me),
      server,
      ready: this.#isReady,
      ...outbox.counts(),
      durable: outbox.durable,
      leads: this.connection.leads ?? !this.#sharing,
      messageBytes: this.#limits.message_bytes,
    };
  }

  get #scope(): string {
    return `${this.url} ${this.me}`;
  }

  /** Nothing that one person has seen or queued is another's. */
  #forgetPerson(): void {
    this.rooms.clear();
    this.people.clear();
    this.#isReady = false;
  }
}

/** The WebSocket's address: as given, or `/ws` where the page came from. */
function socketUrl(url: string | URL | undefined, location: string): string {
  return new URL(url ?? "/ws", location || undefined).href.replace(/^http/, "ws");
}
