/**
 * One connection that comes back: the states of the protocol, from the first attempt to `closed`. Called by
 * the client; hands every frame up. It knows nothing of rooms and messages, and keeps nothing across a cut
 * but the token.
 */
import type { ClientOptions, State } from "./api.js";
import { afterClose, backoffMs, standardBackoff } from "./backoff.js";
import type { Choosing } from "./choosing.js";
import type { Environment } from "./env.js";
import { MoorlineError } from "./error.js";
import type { Transport, TransportEvents } from "./transport/transport.js";
import { openWebSocket } from "./transport/websocket.js";
import { Watchdog } from "./watchdog.js";
import { parseFrame, type Command, type Goodbye, type Position, type Reply, type Request, type ServerFrame, type Welcome } from "./wire.js";

/** A welcome that takes longer will not come: at first another way is tried soon, then slow networks get their time. */
const WELCOME_MS = 5_000;
const LATE_WELCOME_MS = 15_000;
/** A command unanswered for so long is sent again by whoever sent it. */
const ANSWER_MS = 10_000;
/** A connection that lived so long was a good one: the next retry starts from the beginning. */
const GOOD_MS = 5_000;
/** Closes by us, in the protocol's own words. */
const TOKEN_REFUSED = 4401;
const PING_TIMEOUT = 4441;

/** What the connection needs of the client. */
export interface ConnectionHost {
  readonly url: string;
  readonly options: Pick<ClientOptions, "device" | "getToken" | "transports">;
  /** The positions that go into `hello`, at most so many (or as the server told). */
  positions(most?: number): Readonly<Record<string, Position>>;
  /** Signed in. Called before the state turns live. */
  welcomed(welcome: Welcome): void;
  /** Live: commands go out from here on. */
  live(): void;
  frame(frame: ServerFrame): void;
  stateChanged(state: State): void;
  disconnected(code: number, reason: string, clean: boolean): void;
  fault(error: MoorlineError): void;
}

/** The state machine. */
export class Connection implements TransportEvents {
  state: State = { is: "idle" };
  #transport: Transport | undefined;
  #choosing: Choosing | undefined;
  #watchdog: Watchdog | undefined;
  #timer: unknown;
  #token: string | undefined;
  #tokenIsFresh = false;
  #goodbye: Goodbye | undefined;
  #attempt = 0;
  #liveAt = 0;
  #nextId = 1;
  readonly #answers = new Map<number, (answer: Reply | MoorlineError) => void>();

  constructor(
    private readonly env: Environment,
    private readonly host: ConnectionHost,
  ) {}

  start(): void {
    if (this.state.is !== "idle" && this.state.is !== "closed") return;
    this.#attempt = 0;
    this.#tokenIsFresh = false;
    void this.#connect();
  }

  stop(): void {
    if (this.state.is === "closed") return;
    this.#end({ is: "closed", code: 1000, reason: "stopped" });
    this.#transport?.close(1000, "stopped");
  }

  retryNow(): void {
    const { is } = this.state;
    if (is === "live") this.#watchdog?.probe();
    else if (is === "waiting" || is === "offline") void this.#connect();
  }

  /** Sends a command that is answered. Rejects when the connection ends first, or after 10 s. */
  request(command: Request): Promise<Reply> {
    if (this.state.is !== "live") return Promise.reject(cut());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const settle = (answer: Reply | MoorlineError): void => {
        this.#answers.delete(id);
        this.env.clearTimeout(timer);
        if (answer instanceof MoorlineError) reject(answer);
        else resolve(answer);
      };
      const timer = this.env.setTimeout(() => settle(new MoorlineError("timeout", "No answer.", true)), ANSWER_MS);
      this.#answers.set(id, settle);
      this.#write({ ...command, id });
      this.#watchdog?.expectAnswer();
    });
  }

  /** Sends a command that is not answered. False when there is no connection. */
  notify(command: Command): boolean {
    if (this.state.is !== "live") return false;
    this.#write(command);
    return true;
  }

  #write(command: Command | (Request & { id: number })): void {
    this.#transport?.send(JSON.stringify(command));
  }

  async #connect(): Promise<void> {
    this.env.clearTimeout(this.#timer);
    this.enter({ is: "connecting", attempt: this.#attempt });
    const mine = this.state;
    this.#goodbye = undefined;
    const isOther = (this.host.options.transports ?? ["ws"])[0] !== "ws";
    if (isOther || this.#attempt || this.remembered()) await this.#loadChoosing();
    if (!(await this.#haveToken(mine)) || this.state !== mine) return;
    if (isOther && !this.#choosing) return this.closed(1006, "not loaded", false);
    try {
      this.#transport = this.#choosing?.open() ?? this.webSocket(this);
    } catch (error) {
      // A wrong address or a page's own policy: no use to try again.
      return this.#end({ is: "closed", code: 1006, reason: String(error) });
    }
    this.#timer = this.env.setTimeout(() => this.#transport?.close(PING_TIMEOUT, "no welcome"), this.#attempt > 1 ? LATE_WELCOME_MS : WELCOME_MS);
  }

  /** All that a first WebSocket does not need. Where it cannot be had, the WebSocket goes on alone. */
  async #loadChoosing(): Promise<void> {
    const module = await this.env.load.choosing().catch(() => {});
    if (module) this.#choosing ??= new module.Choosing(this.env, this, this.host, this.#attempt > 0);
  }

  /** A token callback that fails is a network that fails, unless it says that trying again is of no use. */
  async #haveToken(mine: State): Promise<boolean> {
    if (this.#token !== undefined || !this.host.options.getToken) return true;
    try {
      this.#token = await this.host.options.getToken(this.#tokenIsFresh ? "refused" : "first");
      return true;
    } catch (error) {
      if (this.state !== mine) return false;
      const reason = (error as Error).message;
      this.#attempt++;
      if (error instanceof MoorlineError && !error.retryable) this.#end({ is: "closed", code: TOKEN_REFUSED, reason });
      else this.#wait("backoff", 0, `no token: ${reason}`);
      return false;
    }
  }

  webSocket(events: TransportEvents): Transport {
    return openWebSocket(this.env, this.host.url, events);
  }

  /** What the choosing wrote down of this server: where a WebSocket did not work, what did. */
  remembered(): string | null | undefined {
    try {
      return (this.env.storage ?? localStorage).getItem(`moorline transport ${this.host.url}`);
    } catch {
      return;
    }
  }

  /** A transport is open: hello comes first. */
  open(transport: Transport): void {
    const { device } = this.host.options;
    const resume = this.host.positions(transport.positions);
    transport.send(JSON.stringify({ type: "hello", token: this.#token, resume, keepalive: true, device }));
  }

  /** A better way was welcomed: it goes on from here; what was not answered on the other is asked again. */
  takeOver(transport: Transport, welcome: Welcome): void {
    this.#dropTransport();
    this.#transport = transport;
    this.#welcomed(welcome);
  }

  /** Text came. */
  frame(text: string): void {
    this.#watchdog?.heard();
    const frame = parseFrame(text);
    if (!frame) return this.host.fault(new MoorlineError("bad_reply", text.slice(0, 80)));
    if (frame.type === "welcome") return this.#welcomed(frame);
    if (frame.type === "ping") return this.#write({ type: "pong" });
    if (frame.type === "goodbye") this.#goodbye = frame;
    const answer =
      frame.type === "error" ? new MoorlineError(frame.code, frame.message, frame.retry, frame.retry_after_ms) : (frame as Reply);
    const settle = this.#answers.get((frame as Reply).id as number);
    if (settle) settle(answer);
    else if (answer instanceof MoorlineError) this.host.fault(answer);
    else this.host.frame(frame);
  }

  #welcomed(welcome: Welcome): void {
    this.env.clearTimeout(this.#timer);
    this.#tokenIsFresh = false;
    this.#goodbye = undefined;
    this.#watchdog?.stop();
    this.#watchdog = new Watchdog(
      this.env,
      welcome.keepalive,
      () => this.#write({ type: "ping" }),
      (reason) => this.#transport?.close(PING_TIMEOUT, reason),
    );
    this.host.welcomed(welcome);
    this.enter({ is: "live", transport: this.#transport!.name, connection: welcome.connection, since: this.env.now() });
    this.#liveAt = this.env.monotonic();
    this.host.live();
    // Now, while the server is there.
    void this.#loadChoosing();
  }

  /** The socket is gone, whoever closed it: the code says what happens next. */
  closed(code: number, reason: string, clean: boolean): void {
    const before = this.state;
    this.#dropTransport();
    this.host.disconnected(code, reason, clean);
    if (this.state !== before || before.is === "closed") return;
    const next = this.#goodbye?.reconnect === false && code !== TOKEN_REFUSED ? "stop" : afterClose(code);
    if (next === "stop") return this.#end({ is: "closed", code, reason });
    if (next === "new token") return this.#renewToken(code, reason);
    if (before.is !== "live" && this.#choosing?.failed(code)) return void this.#connect();
    // A token that was never shown may be too old by the time it is.
    this.#tokenIsFresh = false;
    this.#countAttempt(before);
    this.#wait(next, code, reason);
  }

  /** A short life counts as half a failure: a server that welcomes and dies must not be called in a tight loop. */
  #countAttempt(before: State): void {
    if (before.is !== "live") this.#attempt++;
    else this.#attempt = this.env.monotonic() - this.#liveAt >= GOOD_MS ? 0 : Math.min(this.#attempt + 1, 3);
  }

  /** One new token for each refusal; a second refusal of a fresh one is final. */
  #renewToken(code: number, reason: string): void {
    if (!this.host.options.getToken || this.#tokenIsFresh) return this.#end({ is: "closed", code, reason });
    this.#token = undefined;
    this.#tokenIsFresh = true;
    void this.#connect();
  }

  #wait(next: "at once" | "backoff", code: number, reason: string): void {
    const step = this.#attempt - 1;
    const isAtOnce = next === "at once" && step < 0;
    const ms = this.#goodbye?.after_ms ?? (isAtOnce ? 0 : backoffMs(Math.max(0, step), standardBackoff, this.env.random));
    this.#timer = this.env.setTimeout(() => void this.#connect(), ms);
    const is = this.env.isOnline() ? "waiting" : "offline";
    this.enter({ is, attempt: this.#attempt, until: this.env.now() + ms, code, reason });
  }

  #end(state: State): void {
    this.env.clearTimeout(this.#timer);
    this.#choosing?.stop();
    // A token that was refused is of no use at the next start.
    this.#token = undefined;
    this.enter(state);
  }

  #dropTransport(): void {
    this.env.clearTimeout(this.#timer);
    this.#watchdog?.stop();
    this.#watchdog = this.#transport = undefined;
    for (const settle of [...this.#answers.values()]) settle(cut());
  }

  /** Goes over to a state. */
  enter(state: State): void {
    this.state = state;
    this.host.stateChanged(state);
  }
}

/** The connection ended before the answer: what was asked may or may not have happened, so it is asked again. */
function cut(): MoorlineError {
  return new MoorlineError("disconnected", "The connection was lost.", true);
}
