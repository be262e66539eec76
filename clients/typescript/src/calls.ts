/**
 * Questions that a person waits for (history, members, create, …). Every one may be asked again, since it either
 * reads or carries a cid, so a cut in the middle is bridged. The outbox has its own, endless, patience.
 */
import type { Environment } from "./env.js";
import { MoorlineError } from "./error.js";
import type { People } from "./people.js";
import type { Reply, Request } from "./wire.js";

/** Longer than a restart of the server, shorter than people wait for a page. */
const DEADLINE_MS = 30_000;
const RETRY_MS = 500;

/** What calls need of the client. */
export interface CallsHost {
  readonly connection: { request(command: Request): Promise<Reply>; readonly state: { readonly is: string } };
  readonly people: Pick<People, "learn">;
}

/** Asks, and asks again after a cut, until the deadline. */
export class Calls {
  readonly #waiting = new Set<() => void>();

  constructor(
    private readonly env: Environment,
    private readonly host: CallsHost,
  ) {}

  /** The answer of the type asked for. Whom it names is known from then on. */
  async run<T extends Reply["type"]>(command: Request, type: T): Promise<Extract<Reply, { type: T }>> {
    const until = this.env.monotonic() + DEADLINE_MS;
    for (;;) {
      const wait = this.live(until - this.env.monotonic());
      if (wait) await wait;
      const error = await this.host.connection.request(command).then(
        (reply) => (reply.type === type ? reply : unexpected(reply)),
        (failure: MoorlineError) => failure,
      );
      if (!(error instanceof MoorlineError)) {
        if ("people" in error) this.host.people.learn(error.people);
        return error as Extract<Reply, { type: T }>;
      }
      const left = until - this.env.monotonic();
      if (!error.retryable || left <= 0 || this.host.connection.state.is === "closed") throw error;
      // While there is no connection, the next round waits for it.
      if (error.code !== "disconnected") await this.#pause(Math.min(left, error.retryAfterMs ?? RETRY_MS));
    }
  }

  /** Waits for a welcome, for so long at most. */
  live(ms = DEADLINE_MS): Promise<void> | undefined {
    return this.host.connection.state.is === "live" ? undefined : this.#pause(ms);
  }

  /** The connection is live, or will not come back: whoever waits looks again. */
  wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resume of waiting) resume();
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.env.setTimeout(() => resume(), Math.max(0, ms));
      const resume = (): void => {
        this.env.clearTimeout(timer);
        this.#waiting.delete(resume);
        resolve();
      };
      this.#waiting.add(resume);
    });
  }
}

function unexpected({ type }: Reply): MoorlineError {
  return new MoorlineError("bad_reply", type);
}
