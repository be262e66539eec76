/**
 * What happens to the page that a connection wants to know of; a worker hears of the network alone, and outside a browser
 * nothing ever happens. Used by the choosing and by tabs that share a connection, where the environment brings nothing else.
 */
import type { PageSignal } from "./env.js";

/** Calls back until the function that it returns is called. */
export function watchPage(listener: (what: PageSignal) => void): () => void {
  const { document } = globalThis as Partial<typeof globalThis>;
  const stop = new AbortController();
  const on = (target: EventTarget | undefined, name: string, heard: (event: Event) => unknown): void => {
    // Node's global object is no target of events.
    target?.addEventListener?.(name, heard, { signal: stop.signal });
  };
  on(globalThis, "online", () => listener("online"));
  on(globalThis, "offline", () => listener("offline"));
  on(globalThis, "pageshow", (event) => (event as PageTransitionEvent).persisted && listener("restored"));
  on(document, "visibilitychange", () => document!.visibilityState === "visible" && listener("visible"));
  return () => stop.abort();
}
