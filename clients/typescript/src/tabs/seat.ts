/**
 * A tab's end of the shared connection: to the client it is a connection like its own, with the leader's states. Every tab
 * has one, the leader too. What was asked of a leader that is gone is answered as after a cut, so it is asked again.
 */
import type { State } from "../api.js";
import type { ConnectionHost } from "../connection.js";
import type { Environment } from "../env.js";
import { MoorlineError } from "../error.js";
import type { Command, Reply, Request, Welcome } from "../wire.js";
import { thrown, type Asked, type Told } from "./words.js";

/** The leader's own patience is 10 s; this one counts where the leader does not answer at all. */
const ANSWER_MS = 11_000;

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: MoorlineError): void;
  readonly timer: unknown;
}

/** One tab's place. */
export class Seat {
  state: State = { is: "idle" };
  #nextN = 1;
  /** The leader's connection has welcomed this tab, and what follows from it is still to be done. */
  #isWelcome = false;
  #isGreeting = false;
  readonly #answers = new Map<number, Waiting>();

  constructor(
    private readonly env: Environment,
    private readonly host: ConnectionHost,
    /** Says something to the leader, if there is one. */
    private readonly ask: (asked: Asked) => void,
    /** Whether a welcome is for the person whom this tab is for; if not, whoever made the seat has left. */
    private readonly isOurs: (welcome: Welcome) => boolean,
  ) {}

  request(command: Request): Promise<Reply> {
    if (this.state.is !== "live") return Promise.reject(cut());
    const n = this.#nextN++;
    return new Promise((resolve, reject) => {
      const timer = this.env.setTimeout(() => this.#take(n)?.reject(new MoorlineError("timeout", "No answer.", true)), ANSWER_MS);
      this.#answers.set(n, { resolve, reject, timer });
      this.ask({ is: "request", n, command });
    });
  }

  notify(command: Command): boolean {
    if (this.state.is !== "live") return false;
    // What found no place in the first positions belongs to them, and is asked for only where it is needed.
    if (this.#isGreeting && command.type === "resume") this.ask({ is: "positions", positions: command.positions as ReturnType<ConnectionHost["positions"]> });
    else this.ask({ is: "notify", command });
    return true;
  }

  told(told: Told): void {
    if (told.is === "frame") this.host.frame(told.frame);
    else if (told.is === "answer") this.#take(told.n)?.resolve(told.reply);
    else if (told.is === "refusal") this.#take(told.n)?.reject(thrown(told.error));
    else if (told.is === "welcome") this.#welcomed(told.welcome);
    else if (told.is === "state") this.#stateTold(told.state);
    else if (told.is === "fault") this.host.fault(thrown(told.error));
    else if (told.is === "disconnected") {
      this.#forgetAnswers();
      this.host.disconnected(told.code, told.reason, told.clean);
    }
  }

  /** There is no leader, or another one: nothing that was asked will be answered. */
  enter(state: State): void {
    this.state = state;
    this.#isWelcome = false;
    this.#forgetAnswers();
    this.host.stateChanged(state);
  }

  #welcomed(welcome: Welcome): void {
    if (!this.isOurs(welcome)) return;
    // Before the welcome is taken: a room that it names first needs nothing.
    const positions = this.host.positions();
    this.#isWelcome = true;
    this.host.welcomed(welcome);
    this.ask({ is: "positions", positions });
  }

  /** A tab is live once it had its own welcome; with another one, as on a better transport, it is live anew. */
  #stateTold(state: State): void {
    if (state.is !== "live") return this.enter(state);
    if (!this.#isWelcome) return;
    this.#isWelcome = false;
    this.state = state;
    this.host.stateChanged(state);
    this.#isGreeting = true;
    this.host.live();
    this.#isGreeting = false;
  }

  #take(n: number): Waiting | undefined {
    const waiting = this.#answers.get(n);
    this.#answers.delete(n);
    this.env.clearTimeout(waiting?.timer);
    return waiting;
  }

  #forgetAnswers(): void {
    for (const n of [...this.#answers.keys()]) this.#take(n)?.reject(cut());
  }
}

function cut(): MoorlineError {
  return new MoorlineError("disconnected", "The connection was lost.", true);
}
