/**
 * What SSE and long-poll have in common: requests with the token in a header, refusals in the words of close codes, and
 * commands by POST, in order, one request at a time. Used by these two; it reads no events.
 */
import type { Environment } from "../env.js";
import type { Hello } from "../protocol.generated.js";
import type { Command, Position, Reply, Request } from "../wire.js";
import type { Transport, TransportEvents, TransportName } from "./transport.js";

/** The server's own bounds: commands of a request, bytes of its body, with room for what stands around them. */
const BATCH = 100;
const BATCH_BYTES = 900_000;
/**
 * A command is answered after a commit. After the first time it is asked again, since browsers keep connections for later
 * that may be dead by then; after the second the whole connection is given up.
 */
const ANSWER_MS = 3_000;
const AGAIN_MS = 6_000;
/** By us: no sign of life. */
export const SILENT = 4441;
/** What a browser says of a connection that broke. */
export const BROKEN = 1006;

type Sent = Command | (Request & { readonly id: number });

/** A request that ended without what was asked for; `code` says what that means for coming back. */
export class Refused extends Error {
  constructor(
    readonly code: number,
    message: string,
    readonly afterMs?: number,
    /** The server's word, where it will never take this request. */
    readonly final?: string,
  ) {
    super(message);
  }
}

/** A transport over HTTP, up to the reading of events. */
export abstract class HttpTransport implements Transport {
  abstract readonly name: TransportName;
  readonly positions = 5_000;
  isUnreachable = false;
  protected isOpen = true;
  #token: string | undefined;
  #queue: string[] = [];
  #isSending = false;

  constructor(
    protected readonly env: Environment,
    private readonly url: string,
    protected readonly events: TransportEvents,
  ) {
    queueMicrotask(() => this.isOpen && events.open(this));
  }

  /** Begins, or begins anew, to read what follows these positions. */
  protected abstract read(hello: Omit<Hello, "token">): void;
  /** Is the server still there? Any frame is the answer. */
  protected abstract probe(): void;
  /** Goes on from these positions. */
  protected abstract resume(positions: Readonly<Record<string, Position>>): void;
  protected abstract away(on: boolean): void;
  /** Ends all reading. */
  protected abstract abort(): void;

  send(text: string): void {
    if (!this.isOpen) return;
    const command = JSON.parse(text) as Sent;
    if (command.type === "hello") {
      const { token, ...hello } = command;
      this.#token = token;
      this.read(hello);
    } else if (command.type === "ping") this.probe();
    else if (command.type === "resume") this.resume(command.positions);
    else if (command.type === "away") this.away(command.on);
    else if (command.type !== "pong") this.command(text);
  }

  close(code: number, reason: string): void {
    this.end(code, reason);
  }

  protected end(code: number, reason: string, clean = false): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.abort();
    this.events.closed(code, reason, clean);
  }

  /** A request failed for good: the connection ends with what that means. */
  protected failed(error: unknown): void {
    if (!this.isOpen) return;
    this.isUnreachable = !(error instanceof Refused);
    const { code, message, afterMs } = error instanceof Refused ? error : new Refused(BROKEN, String(error));
    // As a WebSocket would have heard it.
    if (afterMs !== undefined) this.events.frame(JSON.stringify({ type: "goodbye", code, reconnect: true, after_ms: afterMs }));
    this.end(code, message);
  }

  /** Gives a good answer, or throws `Refused`. */
  protected async post(path: string, body: string, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (this.#token !== undefined) headers["authorization"] = `Bearer ${this.#token}`;
    const init = { method: "POST", headers, body, signal, cache: "no-store" } as const;
    // Who signs in by cookie does so on another origin of the same site, too.
    const credentials = this.#token === undefined ? "include" : "same-origin";
    const call = this.env.fetch ?? fetch;
    const response = await call(new URL(`api/v1/${path}`, this.url.replace(/^ws/, "http")).href, { ...init, credentials });
    if (!response.ok) throw await refusal(response);
    return response;
  }

  /** One more command; what is said in one breath goes in one request. */
  protected command(text: string): void {
    this.#queue.push(text);
    if (this.#isSending) return;
    this.#isSending = true;
    queueMicrotask(() => void this.#pump());
  }

  async #pump(): Promise<void> {
    try {
      while (this.isOpen && this.#queue.length > 0) await this.#batch(this.#take());
    } catch (error) {
      this.failed(error);
    }
    this.#isSending = false;
  }

  #take(): string[] {
    let bytes = 0;
    // A character is at most three bytes.
    const over = this.#queue.findIndex((text, index) => index === BATCH || (bytes += 3 * text.length) > BATCH_BYTES);
    return this.#queue.splice(0, over < 0 ? BATCH : Math.max(1, over));
  }

  /** Every command may be carried out twice: it has a cid, or asks, or is the last word that counts. */
  async #batch(texts: readonly string[]): Promise<void> {
    const answers = await this.#answers(texts, ANSWER_MS).catch((error: unknown) => {
      const isAnswered = error instanceof Refused && error.code !== SILENT;
      if (isAnswered && error.final) return this.#refused(texts, error);
      if (isAnswered || !this.isOpen) throw error;
      // A connection that was kept is gone just when it is used again: that says nothing of the next one.
      return this.#answers(texts, AGAIN_MS);
    });
    for (const answer of answers) if (answer && this.isOpen) this.events.frame(JSON.stringify(answer));
  }

  async #answers(texts: readonly string[], ms: number): Promise<readonly (Reply | null)[]> {
    const stop = new AbortController();
    const timer = this.env.setTimeout(() => stop.abort(new Refused(SILENT, "no answer")), ms);
    try {
      const response = await this.post("commands", this.body(texts), stop.signal);
      return ((await response.json()) as { answers: (Reply | null)[] }).answers;
    } catch (error) {
      throw stop.signal.aborted ? stop.signal.reason : error;
    } finally {
      this.env.clearTimeout(timer);
    }
  }

  protected body(texts: readonly string[]): string {
    return `{"commands":[${texts.join(",")}]}`;
  }

  /** The server will never take this request: each command hears it alone, so that the others go through. */
  async #refused(texts: readonly string[], { final, message }: Refused): Promise<readonly (Reply | null)[]> {
    const [text = "{}", ...more] = texts;
    if (more.length === 0) {
      const { id } = JSON.parse(text) as { id?: number };
      return [{ type: "error", id, code: final, message, retry: false } as Reply];
    }
    for (const each of texts) await this.#batch([each]);
    return [];
  }
}

/** Only our server's own refusals mean something; a proxy's page of whatever status is a broken way. */
async function refusal(response: Response): Promise<Refused> {
  const { status } = response;
  const { error } = ((await response.json().catch(() => ({}))) ?? {}) as { error?: { code?: string; message?: string; retry_after_ms?: number } };
  if (typeof error?.code !== "string") return new Refused(BROKEN, `HTTP ${status}`);
  const { code, message = code, retry_after_ms: afterMs } = error;
  return new Refused(closeCode(status, code), message, afterMs, status === 400 || status === 413 ? code : undefined);
}

function closeCode(status: number, word: string): number {
  if (status === 401) return 4401;
  if (status === 429) return 4429;
  if (word === "draining") return 1012;
  return status === 503 ? 4420 : BROKEN;
}
