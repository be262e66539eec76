/**
 * Frames by long-poll: each request says what is known, waits for something to come, and is followed by the next. It works
 * wherever an HTTP request is answered. Used by the choosing.
 */
import type { Hello } from "../protocol.generated.js";
import type { Position, ServerFrame } from "../wire.js";
import { HttpTransport, Refused, SILENT } from "./http.js";

/** What the server waits at most. */
const WAIT_MS = 25_000;
/** An answer that is so late will not come. */
const LATE_MS = 5_000;
/** A poll that broke after so long was cut by a proxy's clock: the next one asks for less. */
const CUT_MS = 2_000;

interface Answer {
  readonly frames: readonly ServerFrame[];
  readonly positions: Readonly<Record<string, Position | null>>;
}

/** Polls until it is closed. */
export class PollTransport extends HttpTransport {
  readonly name = "poll";
  #positions: Record<string, Position> = {};
  #request = new AbortController();
  #generation = 0;
  #waitMs = WAIT_MS;
  /** Only look, since somebody wants to know whether the server is there. */
  #isProbe = false;
  #away: boolean | undefined;

  protected read({ resume = {} }: Omit<Hello, "token">): void {
    this.#positions = { ...resume };
    void this.#loop({ hello: true }).catch((error: unknown) => this.failed(error));
  }

  protected probe(): void {
    this.#isProbe = true;
    this.#again();
  }

  protected resume(positions: Readonly<Record<string, Position>>): void {
    Object.assign(this.#positions, positions);
    this.#again();
  }

  protected away(on: boolean): void {
    this.#away = on;
    this.#again();
  }

  protected abort(): void {
    this.#request.abort();
  }

  /** What the poll on its way asks is out of date. */
  #again(): void {
    this.#generation++;
    this.#request.abort();
  }

  async #loop(first: object): Promise<void> {
    for (let asked = first; this.isOpen; ) {
      const answer = await this.#poll(asked);
      if (!answer || !this.isOpen) continue;
      asked = {};
      this.#take(answer);
    }
  }

  #take({ frames, positions }: Answer): void {
    for (const [room, position] of Object.entries(positions)) {
      if (position) this.#positions[room] = position;
      else delete this.#positions[room];
    }
    for (const frame of frames) {
      if (this.isOpen) this.events.frame(JSON.stringify(frame));
      if (frame.type === "goodbye") this.end(frame.code, "goodbye", true);
    }
    // An empty answer is one, too.
    if (frames.length === 0 && this.isOpen) this.events.frame('{"type":"pong"}');
  }

  /** One request; undefined where it is to be asked again. Nothing is lost by that: positions are taken with the frames. */
  async #poll(asked: object): Promise<Answer | undefined> {
    const request = (this.#request = new AbortController());
    const [generation, began] = [this.#generation, this.env.monotonic()];
    const wait = this.#isProbe ? 0 : this.#waitMs;
    this.#isProbe = false;
    const timer = this.env.setTimeout(() => request.abort(), wait + LATE_MS);
    try {
      const body = JSON.stringify({ ...asked, positions: this.#positions, away: this.#away, wait_ms: wait });
      const response = await this.post("poll", body, request.signal);
      const answer = (await response.json()) as Answer;
      return generation === this.#generation ? answer : undefined;
    } catch (error) {
      if (generation !== this.#generation) return undefined;
      if (request.signal.aborted) throw new Refused(SILENT, "no answer");
      const livedMs = this.env.monotonic() - began;
      if (error instanceof Refused || livedMs < CUT_MS) throw error;
      this.#waitMs = Math.min(this.#waitMs, livedMs * 0.8);
      return undefined;
    } finally {
      this.env.clearTimeout(timer);
    }
  }
}
