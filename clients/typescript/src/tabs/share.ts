/**
 * One connection for all tabs of one person in one browser. One tab leads: it has the connection (`hub.ts`). Every tab,
 * the leader too, has a seat at it (`seat.ts`), which to its client is a connection like any other. Loaded by the client
 * where there are Web Locks and BroadcastChannel and where `user` says who is signed in.
 *
 * The tabs share at the level of frames, below rooms, timelines and outbox, so that these are the same with one tab or
 * twelve, and so that a change of leader is to them what a cut of the network is: they come with their own positions and
 * send again, under the same cid, what was not acknowledged. An entry stays with the tab that wrote it; what a tab leaves
 * behind in the store is sent by another, as without sharing. The other way, one tab that keeps everything and gives the
 * others copies of its snapshots, would have to move timelines and promises whenever the leader dies, just when nobody is
 * left to ask.
 */
import type { State } from "../api.js";
import { Connection, type ConnectionHost } from "../connection.js";
import type { Environment, PageSignal } from "../env.js";
import { watchPage } from "../page.js";
import type { Command, Reply, Request, Welcome } from "../wire.js";
import { Election, type ElectionHost } from "./election.js";
import { Hub, type HubHost } from "./hub.js";
import { onRest } from "./rest.js";
import { Seat } from "./seat.js";
import type { Asked, ChannelLike, LeaderLocks, Told } from "./words.js";

/** What sharing needs of the client. */
export interface SharingHost extends ConnectionHost {
  readonly env: Environment;
  readonly me: string | undefined;
  readonly outbox: { readonly tab: string; open(scope: string): void; release(): void };
  /** Something in the snapshot changed. */
  touch(): void;
}

/** The connection of a tab that shares it with the others. */
export function share(host: SharingHost): SharedConnection {
  return new SharedConnection(host);
}

type SharingEnvironment = ConstructorParameters<typeof Election>[0];

/** What a client takes for its connection. */
export class SharedConnection implements ElectionHost, HubHost {
  readonly env: SharingEnvironment;
  readonly url: string;
  readonly options: ConnectionHost["options"];
  readonly #user: string | undefined;
  readonly #tab: string;
  readonly #scope: string;
  readonly #locks: LeaderLocks;
  readonly #seat: Seat;
  readonly #election: Election;
  /** Where this tab leads. */
  #hub: Hub | undefined;
  /** To the leader, where this tab follows; to each follower, where it leads. */
  readonly #channels = new Map<string, ChannelLike>();
  #term = 0;
  /** Until this tab leads no more. */
  #reign = new AbortController();
  /** This tab's own connection, where it turned out that it must not share. */
  #alone: Connection | undefined;
  #isStarted = false;
  /** While this tab is among the others: it holds a lock that tells them so. */
  #presence = new AbortController();
  #unwatch: (() => void)[] = [];

  constructor(private readonly host: SharingHost) {
    this.env = host.env as SharingEnvironment;
    this.url = host.url;
    this.options = host.options;
    this.#user = host.me;
    this.#tab = host.outbox.tab;
    this.#scope = `${host.url} ${host.me}`;
    this.#locks = host.env.locks as unknown as LeaderLocks;
    this.#seat = new Seat(host.env, host, (asked) => this.#ask(asked), (welcome) => this.#isOurs(welcome));
    this.#election = new Election(this.env, this.#locks, `moorline ${this.#scope}`, this.#tab, this.#nameOf(this.#tab), this);
  }

  get state(): State {
    return (this.#alone ?? this.#seat).state;
  }

  /** Whether this tab is the one that does what is to be done once. */
  get leads(): boolean {
    return this.#alone !== undefined || this.#hub !== undefined;
  }

  start(): void {
    if (this.#alone) return this.#alone.start();
    if (this.#isStarted) return void (this.state.is === "closed" && this.#ask({ is: "start" }));
    this.#isStarted = true;
    this.#unwatch = [
      (this.env.onPageSignal ?? watchPage)((signal) => this.#signalled(signal)),
      onRest(
        () => this.#rest(),
        () => this.#wake(),
      ),
    ];
    void this.#enter();
  }

  stop(): void {
    if (this.#alone) return this.#alone.stop();
    if (!this.#isStarted) return;
    this.#end();
    this.#seat.enter({ is: "closed", code: 1000, reason: "stopped" });
  }

  retryNow(): void {
    if (this.#alone) return this.#alone.retryNow();
    this.#election.look();
    this.#ask({ is: "retry" });
  }

  request(command: Request): Promise<Reply> {
    return (this.#alone ?? this.#seat).request(command);
  }

  notify(command: Command): boolean {
    return (this.#alone ?? this.#seat).notify(command);
  }

  // For the election.

  lead(term: number): void {
    this.#closeChannels();
    this.#term = term;
    const hub = new Hub(this);
    this.#hub = hub;
    hub.join(this.#tab, (told) => hub === this.#hub && this.#seat.told(told));
    hub.start(this.host.positions());
    this.host.touch();
  }

  follow(term: number): void {
    this.#closeChannels();
    this.#term = term;
    if (this.#seat.state.is !== "connecting") this.#seat.enter({ is: "connecting", attempt: 0 });
    this.#open(this.#tab, ({ data }: { data: Told }) => {
      this.#election.heard();
      this.#seat.told(data);
    });
  }

  deposed(): void {
    this.#leave();
    this.#seat.enter({ is: "connecting", attempt: 0 });
  }

  joined(tab: string): void {
    const hub = this.#hub;
    if (!hub) return;
    this.#channels.get(tab)?.close();
    const channel = this.#open(tab, ({ data }: { data: Asked }) => hub.asked(tab, data));
    // An answer to a tab that went meanwhile, or to any after this one leads no more, finds a channel that is closed.
    hub.join(tab, (told) => this.#channels.get(tab) === channel && channel.postMessage(told));
    this.#whenGone(tab, channel);
  }

  ping(): void {
    this.#ask({ is: "ping" });
  }

  // For the hub.

  stillLeads(): Promise<boolean> {
    return this.#election.stillLeads();
  }

  /** The lock comes first: a tab that does not hold it is taken to be gone. */
  async #enter(): Promise<void> {
    this.#seat.enter({ is: "connecting", attempt: 0 });
    const { signal } = (this.#presence = new AbortController());
    const isAllowed = await new Promise<boolean>((resolve) => {
      const held = (): Promise<void> => {
        resolve(true);
        return new Promise((end) => signal.addEventListener("abort", () => end()));
      };
      this.#locks.request(this.#nameOf(this.#tab), {}, held).catch(() => resolve(false));
    });
    if (signal.aborted) return;
    // In a sandbox there are locks that nobody is given: a tab that waited for one would wait for ever.
    if (isAllowed) this.#election.join();
    else this.#goAlone();
  }

  #nameOf(tab: string): string {
    return `moorline ${this.#scope} at ${tab}`;
  }

  #ask(asked: Asked): void {
    if (this.#hub) this.#hub.asked(this.#tab, asked);
    else this.#channels.get(this.#tab)?.postMessage(asked);
  }

  #open(tab: string, onmessage: (event: never) => void): ChannelLike {
    const channel = this.env.openChannel(`moorline ${this.#scope} ${tab} ${this.#term}`);
    channel.onmessage = onmessage;
    this.#channels.set(tab, channel);
    return channel;
  }

  /** When a tab's lock is free, the tab is closed, crashed or at rest. */
  #whenGone(tab: string, channel: ChannelLike): void {
    const gone = async (): Promise<void> => {
      if (this.#channels.get(tab) !== channel) return;
      this.#channels.delete(tab);
      channel.close();
      this.#hub?.left(tab);
    };
    void this.#locks.request(this.#nameOf(tab), { signal: this.#reign.signal }, gone).catch(() => {});
  }

  #closeChannels(): void {
    this.#reign.abort();
    this.#reign = new AbortController();
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
  }

  /** Leads no more, and has no leader. */
  #leave(): void {
    const hub = this.#hub;
    this.#hub = undefined;
    hub?.close();
    if (!hub) this.#ask({ is: "bye" });
    this.#closeChannels();
    this.host.touch();
  }

  #end(): void {
    this.#isStarted = false;
    for (const unwatch of this.#unwatch) unwatch();
    this.#withdraw();
  }

  /** The others lead, or find another leader, without this tab. */
  #withdraw(): void {
    this.#leave();
    this.#election.leave();
    this.#presence.abort();
  }

  /** Before the page is frozen or put into the back-forward cache: what is at hand goes to another tab. */
  #rest(): void {
    this.#withdraw();
    this.host.outbox.release();
    this.#seat.enter({ is: "waiting", attempt: 0, until: this.env.now(), code: 1001, reason: "The tab rests." });
  }

  #wake(): void {
    this.host.outbox.open(`${this.url} ${this.host.me}`);
    void this.#enter();
  }

  #signalled(signal: PageSignal): void {
    if (signal !== "offline") this.retryNow();
  }

  /** The leader's token may be another person's than this tab is for; then each has a connection of its own. */
  #isOurs({ user }: Welcome): boolean {
    if (user.id === this.#user) return true;
    // Not while the connection that is to end is busy with its welcome.
    queueMicrotask(() => this.#goAlone());
    return false;
  }

  #goAlone(): void {
    if (!this.#isStarted) return;
    this.#end();
    this.#alone = new Connection(this.host.env, this.host);
    this.#alone.start();
    this.host.touch();
  }
}
