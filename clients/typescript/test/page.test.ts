import { afterEach, expect, it, vi } from "vitest";
import type { PageSignal } from "../src/env.js";
import { watchPage } from "../src/page.js";

afterEach(() => vi.unstubAllGlobals());

/** The global object of a page or of a worker, as far as it is listened to. */
function inBrowser(): EventTarget {
  const target = new EventTarget();
  vi.stubGlobal("addEventListener", target.addEventListener.bind(target));
  return target;
}

function heard(): { readonly signals: PageSignal[]; readonly stop: () => void } {
  const signals: PageSignal[] = [];
  return { signals, stop: watchPage((signal) => signals.push(signal)) };
}

it("a page tells of its network, of being looked at, and of its return from the cache", () => {
  const window = inBrowser();
  const document = Object.assign(new EventTarget(), { visibilityState: "hidden" });
  vi.stubGlobal("document", document);
  const { signals, stop } = heard();
  window.dispatchEvent(new Event("offline"));
  window.dispatchEvent(new Event("online"));
  document.dispatchEvent(new Event("visibilitychange"));
  document.visibilityState = "visible";
  document.dispatchEvent(new Event("visibilitychange"));
  window.dispatchEvent(new Event("pageshow"));
  window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  expect(signals).toEqual(["offline", "online", "visible", "restored"]);
  stop();
  window.dispatchEvent(new Event("online"));
  document.dispatchEvent(new Event("visibilitychange"));
  expect(signals).toHaveLength(4);
});

it("a worker, which has no document, tells of its network", () => {
  const self = inBrowser();
  const { signals } = heard();
  self.dispatchEvent(new Event("offline"));
  self.dispatchEvent(new Event("online"));
  expect(signals).toEqual(["offline", "online"]);
});

it("where no events are told, as in Node, nothing ever happens", () => {
  vi.stubGlobal("addEventListener", undefined);
  const { signals, stop } = heard();
  stop();
  expect(signals).toEqual([]);
});
