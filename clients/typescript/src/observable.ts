/**
 * Snapshots that can be watched, and typed events. A snapshot is built when somebody reads it, not when
 * something changes, and listeners are called at most once a frame, so that catching up on a thousand
 * events does not draw a thousand pages.
 */
import type { Readable } from "./api.js";
import type { Environment } from "./env.js";

/** Sixty calls a second: a view cannot show more. */
const FRAME_MS = 16;

/** Collects what changed and tells the listeners: at once after a pause, else at the end of the frame. */
export class Notifier {
  readonly #touched = new Set<Signal<unknown>>();
  #last = -Infinity;
  #scheduled = false;
  #timer: unknown;

  constructor(private readonly env: Environment) {}

  touch(signal: Signal<unknown>): void {
    this.#touched.add(signal);
    if (this.#scheduled) return;
    this.#scheduled = true;
    const wait = this.#last + FRAME_MS - this.env.monotonic();
    if (wait <= 0) queueMicrotask(this.flush);
    else this.#timer = this.env.setTimeout(this.flush, wait);
  }

  /** Tells everybody now. Used where a person acted, and wants to see it in this very frame. */
  readonly flush = (): void => {
    this.env.clearTimeout(this.#timer);
    this.#scheduled = false;
    this.#last = this.env.monotonic();
    const signals = [...this.#touched];
    this.#touched.clear();
    for (const signal of signals) signal.tell();
  };
}

/** Something with a snapshot that can be watched. */
export abstract class Signal<T> implements Readable<T> {
  readonly #listeners = new Set<() => void>();
  #value: T | undefined;
  #stale = true;

  constructor(readonly notifier: Notifier) {}

  /** Makes a snapshot of how things are now. */
  protected abstract build(): T;

  readonly getSnapshot = (): T => {
    if (this.#stale) {
      this.#value = this.build();
      this.#stale = false;
    }
    return this.#value as T;
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Something in it changed. */
  touch(): void {
    this.#stale = true;
    this.notifier.touch(this as Signal<unknown>);
  }

  tell(): void {
    for (const listener of [...this.#listeners]) guarded(listener);
  }
}

/** Typed events. A listener that throws hurts nobody but itself. */
export class Emitter<Events> {
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();

  on<K extends keyof Events>(name: K, listener: (value: Events[K]) => void): () => void {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set);
    set.add(listener);
    return () => set.delete(listener);
  }

  emit<K extends keyof Events>(name: K, value: Events[K]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) guarded(() => listener(value as never));
  }
}

/** Runs a listener; its error is reported as an uncaught one, where the page's tools look for it. */
function guarded(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
