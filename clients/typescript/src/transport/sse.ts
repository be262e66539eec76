/**
 * Frames by a stream of server-sent events, read by `fetch`, so that the token stands in a header and the positions in the
 * body. A stream that ends after a good life, or that is silent, is opened anew while the connection stays: the old one is
 * read until the new one is welcomed. Used by the choosing.
 */
import type { Hello } from "../protocol.generated.js";
import type { Goodbye, Welcome } from "../wire.js";
import { BROKEN, HttpTransport, Refused, SILENT } from "./http.js";

/** A stream that lived so long was a good one: proxies cut by the clock, and the next one will live as long. */
const GOOD_MS = 5_000;
/** The server says something in each ping interval; this much later it is overdue. */
const OVERDUE_MS = 3_000;
/** A new stream for one that is in doubt must be welcomed within this time. */
const WELCOME_MS = 5_000;

/** Opens a stream. */
export class SseTransport extends HttpTransport {
  readonly name = "sse";
  #stream: AbortController | undefined;
  /** The one that is to take its place. */
  #next: AbortController | undefined;
  #openedAt = 0;
  #heardAt = 0;
  #intervalMs = Infinity;
  #connection: string | undefined;
  #goodbye: Goodbye | undefined;
  #timer: unknown;

  protected read(hello: Omit<Hello, "token">): void {
    this.#next?.abort();
    const stream = (this.#next = new AbortController());
    this.#read(stream, JSON.stringify(hello)).then(
      () => this.#ended(stream, new Refused(BROKEN, "the stream ended")),
      (error: unknown) => this.#ended(stream, error),
    );
  }

  protected probe(): void {
    this.#renew();
  }

  protected resume(): void {
    this.#renew();
  }

  protected away(on: boolean): void {
    this.command(JSON.stringify({ type: "away", on }));
  }

  protected abort(): void {
    this.env.clearTimeout(this.#timer);
    this.#stream?.abort();
    this.#next?.abort();
  }

  /** It is the stream's connection that is away. */
  protected override body(texts: readonly string[]): string {
    return `{"connection":${JSON.stringify(this.#connection)},${super.body(texts).slice(1)}`;
  }

  /** A hello with the positions of now; one at a time. */
  #renew(): void {
    if (this.#next || !this.isOpen) return;
    this.events.open(this);
    this.#watch(WELCOME_MS);
  }

  async #read(stream: AbortController, body: string): Promise<void> {
    const response = await this.post("stream", body, stream.signal);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done || stream.signal.aborted) return;
      if (stream === this.#stream) this.#heardAt = this.env.monotonic();
      const lines = (rest + value).split("\n");
      rest = lines.pop()!;
      // Each frame is one line; all others are comments, blank, or advice for an EventSource.
      for (const line of lines) if (line.startsWith("data:") && !stream.signal.aborted) this.#frame(stream, line.slice(5).trim());
    }
  }

  #frame(stream: AbortController, text: string): void {
    if (stream === this.#next && text.includes('"welcome"')) this.#welcomed(stream, JSON.parse(text) as Welcome);
    if (text.includes('"goodbye"')) this.#noteGoodbye(text);
    // A stream that was not welcomed says only why not.
    this.events.frame(text);
  }

  #noteGoodbye(text: string): void {
    const frame = JSON.parse(text) as Goodbye & { readonly type: string };
    if (frame.type === "goodbye") this.#goodbye = frame;
  }

  #welcomed(stream: AbortController, { connection, keepalive }: Welcome): void {
    this.#stream?.abort();
    this.#stream = stream;
    this.#next = this.#goodbye = undefined;
    this.#openedAt = this.#heardAt = this.env.monotonic();
    this.#connection = connection;
    this.#intervalMs = keepalive.interval_ms;
    this.#watch(this.#intervalMs + OVERDUE_MS);
  }

  /** A stream is judged by itself alone: answers come by other ways, and may come although it is dead. */
  #watch(ms: number): void {
    this.env.clearTimeout(this.#timer);
    this.#timer = this.env.setTimeout(() => {
      if (this.#next) return this.end(SILENT, "no welcome");
      const left = this.#heardAt + this.#intervalMs + OVERDUE_MS - this.env.monotonic();
      if (left > 0) this.#watch(left);
      else this.#renew();
    }, ms);
  }

  #ended(stream: AbortController, error: unknown): void {
    if (stream.signal.aborted) return;
    if (this.#goodbye) return this.end(this.#goodbye.code, "goodbye", true);
    const isGood = stream === this.#stream && this.env.monotonic() - this.#openedAt >= GOOD_MS;
    if (!isGood) return this.failed(error);
    this.#stream = undefined;
    this.#renew();
  }
}
