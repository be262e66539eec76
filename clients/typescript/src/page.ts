/**
 * What happens to the page that a connection wants to know of. Loaded with the choosing; the environment calls it.
 */
import type { PageSignal } from "./env.js";

/** Calls back until `signal` aborts. Outside a page nothing ever happens. */
export function watchPage(listener: (what: PageSignal) => void, signal: AbortSignal): void {
  const { window, document } = globalThis as Partial<typeof globalThis>;
  if (!window || !document) return;
  window.addEventListener("online", () => listener("online"), { signal });
  window.addEventListener("offline", () => listener("offline"), { signal });
  window.addEventListener("pageshow", (event) => event.persisted && listener("restored"), { signal });
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && listener("visible"), { signal });
}
