/**
 * The client: puts the parts together and routes frames between them. The connection below knows no rooms, the rooms
 * know no connection; what both need stands here. Every public method is described in `api.ts`.
 */
import type {
  Client,
  ClientEvents,
  ClientOptions,
  ClientSnapshot,
  Hit,
  Page,
  Person,
  Readable,
  Room,
  RoomInfo,
  RoomList,
  State,
} from "./api.js";
import { Calls } from "./calls.js";
import { Connection, type ConnectionHost } from "./connection.js";
import { defaultEnvironment, type Environment } from "./env.js";
import { Emitter, Notifier, Signal } from "./observable.js";
import { Outbox, type OutboxHost } from "./outbox.js";
import { People } from "./people.js";
import { RoomHandle } from "./room-handle.js";
import { browsed } from "./room-state.js";
import { Rooms, type RoomsHost } from "./rooms.js";
import { indexedDbStore } from "./store/indexeddb.js";
import { memoryStore } from "./store/memory.js";
import { messageItem } from "./timeline.js";
import { uuidV7Source } from "./uuid.js";
import type { RoomKind, ServerFrame, Welcome, WireEvent } from "./wire.js";

/** Until the server tells: what it tells by default. */
const DEFAULT_LIMITS = { message_bytes: 65_536, resume_rooms: 200, list: 100 };

/** One person's connection to one server. Nothing happens before `start()`. */
export function createClient(options: ClientOptions = {}): Client {
  return new MoorlineClient(options);
}

class MoorlineClient implements Client {
  readonly people: Readable<ReadonlyMap<string, Person>>;
  readonly rooms: RoomList;
  readonly getSnapshot: () => ClientSnapshot;
  readonly subscribe: (listener: () => void) => () => void;
  private readonly env: Environment;
  private readonly url: string;
  private readonly notifier: Notifier;
  private readonly signal: Signal<ClientSnapshot>;
  private readonly events = new Emitter<ClientEvents>();
  private readonly connection: Connection;
  private readonly calls: Calls;
  private readonly outbox: Outbox;
  private readonly names: People;
  private readonly list: Rooms;
  private readonly uuid: () => string;
  private readonly handles = new Map<string, RoomHandle>();
  private me: string | undefined;
  private server: ClientSnapshot["server"];
  private limits: Readonly<Record<string, number>> = DEFAULT_LIMITS;
  private isReady = false;

  constructor(private readonly options: ClientOptions) {
    this.env = { ...defaultEnvironment(), ...options.environment };
    this.url = socketUrl(options.url, this.env.location);
    this.me = options.user;
    this.uuid = uuidV7Source(this.env);
    this.notifier = new Notifier(this.env);
    this.signal = new Signal(this.notifier, () => this.build());
    this.getSnapshot = this.signal.getSnapshot;
    this.subscribe = this.signal.subscribe;
    this.connection = new Connection(this.env, this.connectionHost());
    this.calls = new Calls(this.env, this.connection);
    const store = options.store ?? ("indexedDB" in globalThis ? indexedDbStore() : memoryStore());
    this.outbox = new Outbox(this.env, store, this.outboxHost(), this.uuid);
    this.names = new People(this.notifier, () => this.list.touchAll());
    this.people = this.names.signal;
    this.list = new Rooms(this.notifier, this.roomsHost());
    this.rooms = this.list;
  }

  start(): void {
    if (this.me !== undefined) this.outbox.open(this.scope(this.me));
    this.connection.start();
  }

  stop(): void {
    this.connection.stop();
    this.outbox.release();
    this.calls.wake();
  }

  retryNow(): void {
    this.connection.retryNow();
  }

  on<K extends keyof ClientEvents>(event: K, listener: (value: ClientEvents[K]) => void): () => void {
    return this.events.on(event, listener);
  }

  room(id: string): Room {
    return this.handle(id);
  }

  async create(room: { readonly kind: RoomKind; readonly name?: string; readonly members?: readonly string[] }): Promise<string> {
    const ack = await this.calls.run({ type: "create", cid: this.uuid(), ...room, members: [...(room.members ?? [])] }, "ack");
    return ack.room;
  }

  join(room: string): Promise<void> {
    return this.handle(room).join();
  }

  async browse({ query, after, limit = 50 }: Parameters<Client["browse"]>[0] = {}): Promise<Page<RoomInfo>> {
    const reply = await this.calls.run({ type: "browse", query, after, limit }, "rooms");
    this.names.learn(reply.people);
    return { items: reply.rooms.map(browsed), more: reply.more, after: reply.after };
  }

  async findPeople(query: string, limit = 20): Promise<readonly Person[]> {
    const { people } = await this.calls.run({ type: "people", query, limit }, "people");
    this.names.learn(people);
    return people;
  }

  async lookUp(ids: readonly string[]): Promise<void> {
    const unknown = [...new Set(ids)].filter((id) => !this.names.has(id));
    const { list = DEFAULT_LIMITS.list } = this.limits;
    for (let from = 0; from < unknown.length; from += list) {
      const part = unknown.slice(from, from + list);
      this.names.learn((await this.calls.run({ type: "people", ids: part, limit: part.length }, "people")).people);
    }
  }

  async search(
    query: string,
    { room, limit = 50 }: { readonly room?: string; readonly limit?: number } = {},
  ): Promise<{ readonly hits: readonly Hit[]; readonly more: boolean }> {
    const { hits, more, people } = await this.calls.run({ type: "search", query, room, limit }, "hits");
    this.names.learn(people);
    const messages = hits.filter((event) => event.kind === "message");
    return { hits: messages.map((event) => ({ room: event.room, message: messageItem(event, this.me) })), more };
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.subscribe(() => look());
      const look = (): void => {
        if (this.outbox.count("unsent") > 0) return;
        stop();
        resolve();
      };
      look();
    });
  }

  private handle(id: string): RoomHandle {
    const known = this.handles.get(id);
    if (known) return known;
    const { env, notifier, calls, outbox, names: people, list: rooms, uuid } = this;
    const me = (): string | undefined => this.me;
    const notify: Connection["notify"] = (command) => this.connection.notify(command);
    const handle = new RoomHandle(id, { env, notifier, calls, outbox, people, rooms, me, uuid, notify });
    this.handles.set(id, handle);
    return handle;
  }

  private connectionHost(): ConnectionHost {
    return {
      url: this.url,
      device: this.options.device,
      getToken: this.options.getToken,
      positions: () => this.list.positions(this.resumeRooms),
      welcomed: (welcome) => this.welcomed(welcome),
      live: () => this.live(),
      frame: (frame) => this.frame(frame),
      stateChanged: (state) => this.stateChanged(state),
      disconnected: (code, reason, clean) => this.events.emit("disconnected", { code, reason, clean }),
      failed: (error) => this.events.emit("error", error),
    };
  }

  private outboxHost(): OutboxHost {
    return {
      request: (command) => this.connection.request(command),
      isLive: () => this.connection.state.is === "live",
      changed: (room) => {
        this.list?.touch(room);
        this.signal.changed();
      },
      failed: ({ entry }, error) => this.events.emit("failed", { room: entry.room, cid: entry.cid, error }),
    };
  }

  private roomsHost(): RoomsHost {
    const client = this;
    return {
      env: this.env,
      everyEvent: this.options.everyEvent ?? false,
      get me() {
        return client.me;
      },
      name: (id) => this.names.name(id),
      outgoing: (room) => this.outbox.of(room),
      applied: (event, live) => this.applied(event, live),
      changed: (room, change, reason) => {
        this.handles.get(room)?.changed(change, reason);
        this.events.emit("room", { room, change, reason });
      },
      touched: (room) => this.handles.get(room)?.touch(),
      pageAfter: (room, after) => this.calls.run({ type: "history", room, after, limit: 200 }, "page"),
      resume: (positions) => this.connection.notify({ type: "resume", positions }),
      nextPage: async (after) => {
        const page = await this.calls.run({ type: "rooms", after, limit: 100 }, "rooms");
        this.names.learn(page.people);
        return page;
      },
      isOpen: (room) => this.handles.get(room)?.isOpen ?? false,
    };
  }

  private get resumeRooms(): number {
    return this.limits["resume_rooms"] ?? DEFAULT_LIMITS.resume_rooms;
  }

  private scope(user: string): string {
    return `${this.url} ${user}`;
  }

  private welcomed(welcome: Welcome): void {
    const { user, server, limits, people } = welcome;
    const previous = this.me;
    const isOther = previous !== undefined && previous !== user.id;
    if (isOther) this.forgetPerson();
    this.me = user.id;
    this.server = server;
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.outbox.open(this.scope(user.id));
    this.names.learn([user, ...(people ?? [])]);
    this.list.welcome(welcome);
    this.isReady = true;
    if (isOther) this.events.emit("user", { previous, user: this.names.get(user.id) });
  }

  /** Nothing that one person has seen or queued is another's. */
  private forgetPerson(): void {
    this.list.clear();
    this.names.clear();
    this.isReady = false;
  }

  private live(): void {
    this.list.resumeLater(this.resumeRooms);
    this.outbox.live();
    this.calls.wake();
    for (const handle of this.handles.values()) handle.live();
  }

  private frame(frame: ServerFrame): void {
    if ("people" in frame) this.names.learn(frame.people);
    if (frame.type === "event") this.list.receive(frame);
    else if (frame.type === "receipt") this.list.receipt(frame);
    else if (frame.type === "typing") this.list.typing(frame.room, frame.users, frame.more);
    else if (frame.type === "presence") this.names.presence(frame.user, frame.state, frame.at);
    else if (frame.type === "reset") this.list.reset(frame);
    else if (frame.type === "room" && frame.change === "added") this.list.learn(frame.room);
    else if (frame.type === "room" && frame.change === "gone") this.list.gone(frame.id);
  }

  private applied(event: WireEvent, live: boolean): void {
    this.handles.get(event.room)?.applied(event);
    this.events.emit("event", event);
    if (event.kind === "message") this.events.emit("message", { room: event.room, message: messageItem(event, this.me), live });
  }

  private stateChanged(state: State): void {
    if (state.is === "closed") this.calls.wake();
    this.signal.changed();
    this.events.emit("state", state);
  }

  private build(): ClientSnapshot {
    return {
      state: this.connection.state,
      user: this.me === undefined ? undefined : this.names.get(this.me),
      server: this.server,
      ready: this.isReady,
      queued: this.outbox.count("unsent"),
      failed: this.outbox.count("failed"),
      durable: this.outbox.durable,
      messageBytes: this.limits["message_bytes"] ?? DEFAULT_LIMITS.message_bytes,
    };
  }
}

/** The WebSocket's address: as given, or `/ws` where the page came from. */
function socketUrl(url: string | URL | undefined, location: string): string {
  const address = new URL(url ?? "/ws", location || undefined);
  address.protocol = address.protocol.replace("http", "ws");
  return address.href;
}
