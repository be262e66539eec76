/**
 * A browser for unit tests: tabs with locks and channels among them, on the world's clock, that can be closed, frozen and
 * throttled; and a server that keeps one room's log, stores a cid once, and counts its connections.
 */
import type { ClientOptions, MessageItem } from "../src/api.js";
import { createClient } from "../src/client.js";
import type { Environment, PageSignal } from "../src/env.js";
import { memoryStore } from "../src/store/memory.js";
import type { ChannelLike, LeaderLocks } from "../src/tabs/words.js";
import { EPOCH, eventId, type Json, page, type Peer, room, welcome, World } from "./world.js";

interface Held {
  readonly client: string;
  readonly end: (error?: Error) => void;
}

interface Waiting {
  readonly grant: () => void;
  readonly aborted: () => boolean;
}

/** `navigator.locks` of all tabs. */
class Locks {
  private readonly held = new Map<string, Held>();
  private readonly queues = new Map<string, Waiting[]>();

  of(client: string): LeaderLocks {
    return {
      request: (name, { signal, steal, ifAvailable }, callback) =>
        new Promise((resolve, reject) => {
          const grant = (): void => {
            const hold: Held = { client, end: (error) => this.ended(name, hold, () => (error ? reject(error) : resolve(undefined))) };
            this.held.set(name, hold);
            void Promise.resolve(callback({})).then(() => hold.end(), hold.end);
          };
          signal?.addEventListener("abort", () => !this.isHeldBy(name, grant) && reject(new Error("AbortError")));
          if (steal) this.held.get(name)?.end(new Error("AbortError"));
          if (!this.held.has(name)) grant();
          else if (ifAvailable) void Promise.resolve(callback(null)).then(resolve, reject);
          else this.queues.set(name, [...(this.queues.get(name) ?? []), { grant, aborted: () => signal?.aborted ?? false }]);
        }),
      query: async () => ({ held: [...this.held].map(([name, { client: clientId }]) => ({ name, clientId })) }),
    };
  }

  /** A tab is closed: what it held is free, what it waited for is not given to it. */
  gone(client: string): void {
    for (const hold of [...this.held.values()]) if (hold.client === client) hold.end();
  }

  private isHeldBy(name: string, grant: () => void): boolean {
    return !(this.queues.get(name) ?? []).some((waiting) => waiting.grant === grant);
  }

  private ended(name: string, hold: Held, tell: () => void): void {
    if (this.held.get(name) !== hold) return;
    this.held.delete(name);
    tell();
    queueMicrotask(() => {
      if (this.held.has(name)) return;
      const queue = this.queues.get(name) ?? [];
      for (let next = queue.shift(); next; next = queue.shift()) if (!next.aborted()) return next.grant();
    });
  }
}

/** One browser. */
export class Browser {
  readonly world = new World();
  readonly locks = new Locks();
  readonly channels = new Set<{ readonly name: string; readonly channel: ChannelLike; readonly tab: Tab }>();
  readonly store = memoryStore();
  readonly server = new TinyServer(this.world);
  readonly tabs: Tab[] = [];
  /** How often somebody spoke on a channel that was closed. */
  afterClose = 0;

  /** A tab with a client that has started. */
  async open(options: ClientOptions = {}, environment: Partial<Environment> = {}): Promise<Tab> {
    const tab = new Tab(this, `tab-${this.tabs.length + 1}`, options, environment);
    this.tabs.push(tab);
    tab.client.start();
    await this.world.settle();
    return tab;
  }

  get leaders(): Tab[] {
    return this.tabs.filter(({ isClosed, client }) => !isClosed && client.getSnapshot().leads);
  }
}

/** One tab. What comes from outside waits while it is frozen. */
export class Tab {
  readonly client;
  readonly heard: string[] = [];
  readonly tokens: string[] = [];
  isClosed = false;
  /** A hidden tab's timers do not ring by themselves. */
  isThrottled = false;
  private isFrozen = false;
  private late: (() => void)[] = [];
  private readonly signals = new Set<(signal: PageSignal) => void>();

  constructor(
    private readonly browser: Browser,
    readonly name: string,
    options: ClientOptions,
    environment: Partial<Environment>,
  ) {
    const getToken = (why: string): string => `${name}-${this.tokens.push(why)}`;
    this.client = createClient({ environment: { ...this.environment(), ...environment }, store: browser.store, user: "ann", getToken, ...options });
    this.client.on("message", ({ message }) => this.heard.push(message.body));
  }

  /** The rows of the room, as text and state. */
  get rows(): string[] {
    const items = this.client.room("r1").getSnapshot().items.filter((item): item is MessageItem => item.type === "message");
    return items.map(({ body, state }) => `${body} ${state}`);
  }

  signal(signal: PageSignal): void {
    for (const listener of this.signals) listener(signal);
  }

  close(): void {
    this.isClosed = true;
    this.browser.server.closedBy(this.name);
    this.browser.locks.gone(this.name);
  }

  freeze(): void {
    this.isFrozen = true;
  }

  async thaw(): Promise<void> {
    this.isFrozen = false;
    for (const callback of this.late.splice(0)) callback();
    await this.browser.world.settle();
  }

  /** Runs something of the outside in this tab, when it runs. */
  private run(callback: () => void): void {
    if (this.isClosed) return;
    if (this.isFrozen) this.late.push(callback);
    else callback();
  }

  private environment(): Partial<Environment> {
    const { browser, world } = { browser: this.browser, world: this.browser.world };
    const { request, query } = browser.locks.of(this.name);
    return {
      ...world.environment,
      setTimeout: (callback, ms) => world.environment.setTimeout(() => this.isThrottled || this.run(callback), ms),
      // The promises of a frozen tab settle when it runs again.
      locks: {
        request: (name: string, options: object, callback: (lock: unknown) => Promise<void>) =>
          new Promise((resolve, reject) => {
            const held = (lock: unknown): Promise<void> => new Promise((done, failed) => this.run(() => void callback(lock).then(done, failed)));
            request(name, options, held).then((value) => this.run(() => resolve(value)), (error) => this.run(() => reject(error)));
          }),
        query,
      } as Environment["locks"],
      openChannel: (name) => this.channel(name),
      openSocket: () => browser.server.accept(this.name, (callback) => this.run(callback)),
      onPageSignal: (listener) => {
        this.signals.add(listener);
        return () => this.signals.delete(listener);
      },
    };
  }

  private channel(name: string): ChannelLike {
    const { channels } = this.browser;
    const channel: ChannelLike = {
      onmessage: null,
      postMessage: (message) => {
        if (!channels.has(entry)) {
          this.browser.afterClose += 1;
          throw new DOMException("Channel is closed", "InvalidStateError");
        }
        const data = structuredClone(message);
        for (const other of channels) {
          if (other.name !== name || other === entry) continue;
          queueMicrotask(() => other.tab.run(() => other.channel.onmessage?.({ data } as never)));
        }
      },
      close: () => {
        channel.onmessage = null;
        channels.delete(entry);
      },
    };
    const entry = { name, channel, tab: this };
    channels.add(entry);
    return channel;
  }
}

/** A connection as the server has it. */
interface Wire {
  readonly tab: string;
  readonly peer: Peer;
  readonly run: (callback: () => void) => void;
}

/** A server with one room. */
export class TinyServer {
  readonly wires = new Set<Wire>();
  readonly log: Json[] = [];
  /** All commands of all connections, with the tab whose socket they came by. */
  readonly commands: (Json & { readonly by: string })[] = [];
  /** The most connections at once. */
  most = 0;
  user = "ann";
  refusesTokens = false;
  /** What happens between reading a page of rooms and answering it. */
  onRooms: (() => void) | undefined;
  /** Stores, but does not answer. */
  isMute = false;

  constructor(private readonly world: World) {}

  accept(tab: string, run: (callback: () => void) => void): Peer {
    const { environment } = this.world;
    const peer = environment.openSocket("wss://chat.example/ws", "") as Peer;
    const wire = { tab, peer, run };
    this.wires.add(wire);
    this.most = Math.max(this.most, this.wires.size);
    peer.onCommand = (command) => this.handle(wire, command);
    const { close } = peer;
    peer.close = (code, reason) => {
      this.wires.delete(wire);
      close.call(peer, code, reason);
    };
    queueMicrotask(() => run(() => peer.accept()));
    return peer;
  }

  closedBy(tab: string): void {
    for (const wire of this.wires) if (wire.tab === tab) this.wires.delete(wire);
  }

  /** Ends all connections as a network does. */
  cut(): void {
    for (const { peer, run } of [...this.wires]) {
      this.wires.clear();
      run(() => peer.drop());
    }
  }

  say(frame: object): void {
    for (const wire of this.wires) this.tell(wire, frame);
  }

  /** Somebody writes a message. */
  post(body: string, from = "bob", cid?: string): Json {
    const seq = this.log.length + 1;
    const event = { type: "event", room: "r1", epoch: EPOCH, seq, id: eventId(seq), from, at: seq, kind: "message", body, n: seq, cid };
    this.log.push(event);
    this.say(event);
    return event;
  }

  room(): ReturnType<typeof room> {
    return room({ head: this.log.length, read: this.log.length });
  }

  of(type: string): (Json & { readonly by: string })[] {
    return this.commands.filter((command) => command["type"] === type);
  }

  private tell({ peer, run }: Wire, frame: object): void {
    queueMicrotask(() => run(() => peer.say(frame)));
  }

  private handle(wire: Wire, command: Json): void {
    this.commands.push({ ...command, by: wire.tab });
    const answer = (frame: object): void => this.tell(wire, { ...frame, id: command["id"] });
    if (command["type"] === "hello") this.hello(wire, command);
    else if (command["type"] === "rooms") this.rooms(answer);
    else if (command["type"] === "history") answer(page(command, this.log.length, (seq) => this.log[seq - 1]!));
    else if (command["type"] === "resume") this.resume(wire, command["positions"] as Record<string, { seq: number }>);
    else if (command["type"] === "ping") this.tell(wire, { type: "pong" });
    else if (command["type"] === "send") {
      const { seq, id } = this.log.find(({ cid }) => cid === command["cid"]) ?? this.post(String(command["body"]), "ann", String(command["cid"]));
      if (!this.isMute) answer({ type: "ack", room: "r1", epoch: EPOCH, seq, message: id, at: seq });
    }
  }

  private rooms(answer: (frame: object) => void): void {
    const rooms = [this.room()];
    this.onRooms?.();
    answer({ type: "rooms", rooms, more: false, people: [] });
  }

  private hello(wire: Wire, { resume }: Json): void {
    if (this.refusesTokens) {
      this.wires.delete(wire);
      return queueMicrotask(() => wire.run(() => wire.peer.drop(4401, "refused")));
    }
    this.tell(wire, welcome([this.room()], { user: { id: this.user, name: this.user } }));
    this.resume(wire, resume as Record<string, { seq: number }>);
  }

  private resume(wire: Wire, positions: Record<string, { seq: number }>): void {
    const { seq } = positions["r1"] ?? { seq: this.log.length };
    for (const event of this.log.slice(seq)) this.tell(wire, event);
  }
}
