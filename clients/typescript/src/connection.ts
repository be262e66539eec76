/**
 * One connection that comes back: the states of the protocol, from the first attempt to `closed`. Called by
 * the client; hands every frame up. It knows nothing of rooms and messages, and keeps nothing across a cut
 * but the token.
 */
import type { ClientOptions, State } from "./api.js";
import { afterClose, backoffMs, standardBackoff } from "./backoff.js";
import type { Environment, PageSignal } from "./env.js";
import { MoorlineError } from "./error.js";
import { openWebSocket, type Transport, type TransportEvents } from "./transport/websocket.js";
import { Watchdog } from "./watchdog.js";
import { parseFrame, type Command, type Goodbye, type Position, type Reply, type Request, type ServerFrame, type Welcome } from "./wire.js";

/** The server waits 10 s for a hello; a welcome that takes longer than this will not come. */
const WELCOME_MS = 15_000;
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
  readonly options: Pick<ClientOptions, "device" | "getToken">;
  /** The positions that go into `hello`. */
  positions(): Readonly<Record<string, Position>>;
  /** Signed in. Called before the state turns live. */
  welcomed(welcome: Welcome): void;
  /** Live: commands go out from here on. */
  live(): void;
  frame(frame: ServerFrame): void;
  stateChanged(state: State): void;
  disconnected(code: number, reason: string, clean: boolean): void;
  fault(error: MoorlineError): void;
}

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: MoorlineError): void;
  readonly timer: unknown;
}

/** The state machine. */
export class Connection implements TransportEvents {
  state: State = { is: "idle" };
  #transport: Transport | undefined;
  #watchdog: Watchdog | undefined;
  #timer: unknown;
  #token: string | undefined;
  #tokenIsFresh = false;
  #goodbye: Goodbye | undefined;
  #attempt = 0;
  #liveAt = 0;
  #nextId = 1;
  readonly #answers = new Map<number, Waiting>();
  #unwatch?: () => void;

  constructor(
    private readonly env: Environment,
    private readonly host: ConnectionHost,
  ) {}

  start(): void {
    if (this.state.is !== "idle" && this.state.is !== "closed") return;
    this.#attempt = 0;
    this.#tokenIsFresh = false;
    this.#unwatch = this.env.onPageSignal((signal) => this.#signalled(signal));
    void this.#connect();
  }

  stop(): void {
    if (this.state.is === "closed") return;
    this.#end({ is: "closed", code: 1000, reason: "stopped" });
    this.#transport?.close(1000, "stopped");
  }

  retryNow(): void {
    if (this.state.is === "live") this.#watchdog?.probe();
    else if (this.state.is === "waiting" || this.state.is === "offline") void this.#connect();
  }

  /** Sends a command that is answered. Rejects when the connection ends first, or after 10 s. */
  request(command: Request): Promise<Reply> {
    if (this.state.is !== "live") return Promise.reject(cut());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = this.env.setTimeout(() => {
        this.#answers.delete(id);
        reject(new MoorlineError("timeout", "No answer.", true));
      }, ANSWER_MS);
      this.#answers.set(id, { resolve, reject, timer });
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
    this.#enter({ is: "connecting", attempt: this.#attempt });
    const mine = this.state;
    if (!(await this.#haveToken(mine)) || this.state !== mine) return;
    this.#goodbye = undefined;
    try {
      this.#transport = openWebSocket(this.env, this.host.url, this);
    } catch (error) {
      // A wrong address or a page's own policy: no use to try again.
      return this.#end({ is: "closed", code: 1006, reason: String(error) });
    }
    this.#timer = this.env.setTimeout(() => this.#transport?.close(PING_TIMEOUT, "no welcome"), WELCOME_MS);
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
      if (error instanceof MoorlineError && !error.retryable) this.#end({ is: "closed", code: TOKEN_REFUSED, reason });
      else this.#wait(backoffMs(this.#attempt++, standardBackoff, this.env.random), 0, `no token: ${reason}`);
      return false;
    }
  }

  /** The socket is open: hello comes first. */
  open(): void {
    const { device } = this.host.options;
    this.#write({ type: "hello", token: this.#token, resume: this.host.positions(), keepalive: true, device });
  }

  /** Text came. */
  frame(text: string): void {
    this.#watchdog?.heard();
    const frame = parseFrame(text);
    if (!frame) return this.host.fault(new MoorlineError("bad_reply", `No frame: ${text.slice(0, 80)}`));
    if (frame.type === "welcome") return this.#welcomed(frame);
    if (frame.type === "ping") return this.#write({ type: "pong" });
    if (frame.type === "goodbye") this.#goodbye = frame;
    const id = (frame as Reply).id as number;
    const waiting = this.#answers.get(id);
    if (waiting) return this.#answered(id, waiting, frame as Reply);
    if (frame.type === "error") return this.host.fault(errorOf(frame));
    this.host.frame(frame);
  }

  #answered(id: number, { resolve, reject, timer }: Waiting, reply: Reply): void {
    this.#answers.delete(id);
    this.env.clearTimeout(timer);
    if (reply.type === "error") reject(errorOf(reply));
    else resolve(reply);
  }

  #welcomed(welcome: Welcome): void {
    this.env.clearTimeout(this.#timer);
    this.#tokenIsFresh = false;
    this.#watchdog = new Watchdog(
      this.env,
      welcome.keepalive,
      () => this.#write({ type: "ping" }),
      (reason) => this.#transport?.close(PING_TIMEOUT, reason),
    );
    this.host.welcomed(welcome);
    this.#enter({ is: "live", transport: "websocket", connection: welcome.connection, since: this.env.now() });
    this.#liveAt = this.env.monotonic();
    this.host.live();
  }

  /** The socket is gone, whoever closed it: the code says what happens next. */
  closed(code: number, reason: string, clean: boolean): void {
    const before = this.state;
    this.#dropTransport();
    this.host.disconnected(code, reason, clean);
    if (this.state !== before || before.is === "closed") return;
    this.#countAttempt(before);
    const next = this.#goodbye?.reconnect === false && code !== TOKEN_REFUSED ? "stop" : afterClose(code);
    if (next === "stop") return this.#end({ is: "closed", code, reason });
    if (next === "new token") return this.#renewToken(code, reason);
    // A token that was never shown may be too old by the time it is.
    this.#tokenIsFresh = false;
    this.#wait(this.#delay(next), code, reason);
  }

  /** A short life counts as half a failure: a server that welcomes and dies must not be called in a tight loop. */
  #countAttempt(before: State): void {
    if (before.is !== "live") this.#attempt++;
    else this.#attempt = this.env.monotonic() - this.#liveAt >= GOOD_MS ? 0 : Math.min(this.#attempt + 1, 3);
  }

  #delay(next: "at once" | "backoff"): number {
    if (this.#goodbye?.after_ms !== undefined) return this.#goodbye.after_ms;
    if (next === "at once" && this.#attempt === 0) return 0;
    return backoffMs(Math.max(0, this.#attempt - 1), standardBackoff, this.env.random);
  }

  /** One new token for each refusal; a second refusal of a fresh one is final. */
  #renewToken(code: number, reason: string): void {
    if (!this.host.options.getToken || this.#tokenIsFresh) return this.#end({ is: "closed", code, reason });
    this.#token = undefined;
    this.#tokenIsFresh = true;
    void this.#connect();
  }

  #wait(ms: number, code: number, reason: string): void {
    const until = this.env.now() + ms;
    const attempt = this.#attempt;
    this.#timer = this.env.setTimeout(() => void this.#connect(), ms);
    this.#enter(this.env.isOnline() ? { is: "waiting", attempt, until, code, reason } : { is: "offline", attempt, until });
  }

  #end(state: State): void {
    this.env.clearTimeout(this.#timer);
    this.#unwatch?.();
    // A token that was refused is of no use at the next start.
    this.#token = undefined;
    this.#enter(state);
  }

  #dropTransport(): void {
    this.env.clearTimeout(this.#timer);
    this.#watchdog?.stop();
    this.#watchdog = this.#transport = undefined;
    const waiting = [...this.#answers.values()];
    this.#answers.clear();
    for (const { reject, timer } of waiting) {
      this.env.clearTimeout(timer);
      reject(cut());
    }
  }

  #signalled(signal: PageSignal): void {
    const { state } = this;
    if (signal !== "offline") return this.retryNow();
    if (state.is === "live") return this.#watchdog?.probe();
    if (state.is === "waiting") this.#enter({ is: "offline", attempt: state.attempt, until: state.until });
  }

  #enter(state: State): void {
    this.state = state;
    this.host.stateChanged(state);
  }
}

function errorOf({ code, message, retry, retry_after_ms }: Reply & { type: "error" }): MoorlineError {
  return new MoorlineError(code, message, retry, retry_after_ms);
}

/** The connection ended before the answer: what was asked may or may not have happened, so it is asked again. */
function cut(): MoorlineError {
  return new MoorlineError("disconnected", "The connection was lost.", true);
}
