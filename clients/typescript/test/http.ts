/**
 * The server over HTTP for unit tests: every request is an object that the test answers, in the time of its world.
 */
import type { Json, World } from "./world.js";

/** A request on its way. */
export class Asked {
  readonly body: Json;
  readonly token: string | undefined;
  isAborted = false;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #resolve!: (response: Response) => void;
  #reject!: (error: unknown) => void;
  readonly response = new Promise<Response>((resolve, reject) => ([this.#resolve, this.#reject] = [resolve, reject]));

  constructor(
    readonly path: string,
    { body, headers, signal }: RequestInit,
  ) {
    this.body = JSON.parse(String(body)) as Json;
    this.token = (headers as Record<string, string>)["authorization"];
    signal?.addEventListener("abort", () => {
      this.isAborted = true;
      this.fail(new DOMException("aborted", "AbortError"));
    });
  }

  /** A whole answer. */
  answer(body: object, status = 200): void {
    this.#resolve(new Response(JSON.stringify(body), { status }));
  }

  /** The head of a stream, as the server sends it before anything else. */
  begin(): void {
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (this.#controller = controller) });
    this.#resolve(new Response(body, { headers: { "content-type": "text/event-stream" } }));
    this.write(`:${" ".repeat(200)}\n\nretry: 2113\n\n`);
  }

  say(...frames: readonly object[]): void {
    for (const frame of frames) this.write(`data: ${JSON.stringify(frame)}\n\n`);
  }

  /** Bytes as a network cuts them. */
  write(text: string | Uint8Array): void {
    if (!this.isAborted) this.#controller?.enqueue(typeof text === "string" ? new TextEncoder().encode(text) : text);
  }

  end(): void {
    this.#controller?.close();
  }

  /** Nobody answered, or the connection broke. */
  fail(error: unknown = new TypeError("Failed to fetch")): void {
    this.#reject(error);
    try {
      this.#controller?.error(error);
    } catch {
      // It had ended.
    }
  }
}

/** All requests of a world, by what they are. */
export class Http {
  readonly asked: Asked[] = [];
  /** What answers commands; where it is absent the test does. */
  onCommands: ((commands: readonly Json[]) => readonly (object | null)[]) | undefined;

  constructor(world: World) {
    world.onFetch = (url, init) => {
      const asked = new Asked(new URL(url).pathname.replace("/api/v1/", ""), init);
      this.asked.push(asked);
      if (asked.path === "commands" && this.onCommands) asked.answer({ answers: this.onCommands(commandsOf(asked)) });
      return asked.response;
    };
  }

  all(path: string): Asked[] {
    return this.asked.filter((asked) => asked.path === path);
  }

  last(path: string): Asked {
    const asked = this.all(path).at(-1);
    if (!asked) throw new Error(`no request to ${path} among ${this.asked.map((each) => each.path).join()}`);
    return asked;
  }

  /** Every command that came, in order. */
  get commands(): Json[] {
    return this.all("commands").flatMap(commandsOf);
  }
}

export function commandsOf({ body }: Asked): Json[] {
  return body["commands"] as Json[];
}
