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
  private readonly touched = new Set<Signal<unknown>>();
  private last = -Infinity;
  private scheduled = false;
  private timer: unknown;

  constructor(private readonly env: Environment) {}

  touch(signal: Signal<unknown>): void {
    this.touched.add(signal);
    if (this.scheduled) return;
    this.scheduled = true;
    const wait = this.last + FRAME_MS - this.env.monotonic();
    if (wait <= 0) queueMicrotask(this.flush);
    else this.timer = this.env.setTimeout(this.flush, wait);
  }

  /** Tells everybody now. Used where a person acted, and wants to see it in this very frame. */
  readonly flush = (): void => {
    this.env.clearTimeout(this.timer);
    this.scheduled = false;
    this.last = this.env.monotonic();
    const signals = [...this.touched];
    this.touched.clear();
    for (const signal of signals) signal.tell();
  };
}

/** Something with a snapshot that can be watched. */
export abstract class Signal<T> implements Readable<T> {
  private readonly listeners = new Set<() => void>();
  private value: T | undefined;
  private stale = true;

  constructor(readonly notifier: Notifier) {}

  /** Makes a snapshot of how things are now. */
  protected abstract build(): T;

  readonly getSnapshot = (): T => {
    if (this.stale) {
      this.value = this.build();
      this.stale = false;
    }
    return this.value as T;
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    // A wrapper of its own, so that the same function subscribed twice is two subscriptions.
    const own = (): void => listener();
    this.listeners.add(own);
    return () => this.listeners.delete(own);
  };

  /** Something in it changed. */
  touch(): void {
    this.stale = true;
    this.notifier.touch(this as Signal<unknown>);
  }

  tell(): void {
    for (const listener of [...this.listeners]) guarded(listener);
  }
}

/** Typed events. A listener that throws hurts nobody but itself. */
export class Emitter<Events> {
  private readonly listeners = new Map<keyof Events, Set<(value: never) => void>>();

  on<K extends keyof Events>(name: K, listener: (value: Events[K]) => void): () => void {
    const set = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, set);
    const own = (value: Events[K]): void => listener(value);
    set.add(own);
    return () => set.delete(own);
  }

  emit<K extends keyof Events>(name: K, value: Events[K]): void {
    for (const listener of [...(this.listeners.get(name) ?? [])]) guarded(() => listener(value as never));
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
