// What the page's connection runs over, in the page's own hands: it can be cut on purpose, so that anyone may watch it heal, and tells when
// the server was last heard. The SDK takes it as its surroundings and cannot tell a cut from a network that is gone. Made by main.ts.
import type { ClientOptions, State, TransportName } from '@moorline/client';

/** How long the page is cut off on purpose. */
export const cutMs = 10_000;
/** Answers over HTTP that may still be under way; older ones have long ended. */
const mostAnswers = 16;

type Environment = NonNullable<ClientOptions['environment']>;
type Socket = ReturnType<NonNullable<Environment['openSocket']>>;
type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** By which way the connection runs; undefined while there is none. */
export function wayOf(state: State): TransportName | undefined {
  return state.is === 'live' ? state.transport : undefined;
}

/** The line of one page. */
export class Line {
  /** Until when it is cut, ms since 1970; 0 while it is whole. */
  cutUntil = $state(0);
  /** When the server's last ping came, ms since 1970; 0 before the first. */
  pingAt = $state(0);
  readonly #wires = new Set<Wire>();
  readonly #answers: AbortController[] = [];
  readonly #openSocket: (url: string, protocol: string) => WebSocket;
  readonly #fetch: Fetch;

  constructor(openSocket = (url: string, protocol: string) => new WebSocket(url, protocol), fetch: Fetch = (url, init) => globalThis.fetch(url, init)) {
    this.#openSocket = openSocket;
    this.#fetch = fetch;
  }

  /** For the client's options. */
  readonly environment: Partial<Environment> = {
    openSocket: (url: string, protocol: string) => this.#open(url, protocol),
    fetch: (url: string, init: RequestInit) => this.#ask(url, init),
  };

  get isCut(): boolean {
    return this.cutUntil !== 0;
  }

  /** Takes the network away from the page for ten seconds. What is open breaks, what is tried fails. */
  cut(): void {
    if (this.isCut) return;
    this.cutUntil = Date.now() + cutMs;
    setTimeout(() => (this.cutUntil = 0), cutMs);
    for (const wire of [...this.#wires]) wire.break();
    for (const answer of this.#answers.splice(0)) answer.abort();
  }

  #open(url: string, protocol: string): Socket {
    const wire = new Wire(this.isCut ? undefined : this.#openSocket(url, protocol), (text) => this.#heard(text), () => this.#wires.delete(wire));
    this.#wires.add(wire);
    return wire;
  }

  #ask(url: string, init: RequestInit): Promise<Response> {
    if (this.isCut) return Promise.reject(new TypeError('The connection was cut.'));
    const stop = new AbortController();
    this.#answers.push(stop);
    if (this.#answers.length > mostAnswers) this.#answers.shift();
    const signal = init.signal ? AbortSignal.any([init.signal, stop.signal]) : stop.signal;
    return this.#fetch(url, { ...init, signal });
  }

  #heard(text: unknown): void {
    if (typeof text === 'string' && text.startsWith('{"type":"ping"')) this.pingAt = Date.now();
  }
}

/** A socket that can be broken: whoever has it sees what they would see of a network that is gone. */
class Wire implements Socket {
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  onerror: Socket['onerror'] = null;
  #real: WebSocket | undefined;
  readonly #gone: () => void;

  constructor(real: WebSocket | undefined, heard: (text: unknown) => void, gone: () => void) {
    this.#real = real;
    this.#gone = gone;
    if (!real) {
      setTimeout(() => this.break());
      return;
    }
    real.onopen = (event) => this.onopen?.(event as never);
    real.onmessage = (event) => {
      heard(event.data);
      this.onmessage?.(event as never);
    };
    real.onerror = (event) => this.onerror?.(event as never);
    real.onclose = (event) => {
      gone();
      this.onclose?.(event as never);
    };
  }

  send(text: string): void {
    this.#real?.send(text);
  }

  close(code?: number, reason?: string): void {
    this.#real?.close(code, reason);
  }

  break(): void {
    this.#gone();
    const real = this.#real;
    this.#real = undefined;
    if (real) {
      real.onopen = real.onmessage = real.onclose = null;
      real.close();
    }
    this.onclose?.({ code: 1006, reason: '', wasClean: false } as never);
  }
}
