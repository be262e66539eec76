/**
 * Records what a client sends and gets over HTTP: each stream, and each series of polls, is a connection of the record.
 * Commands have one of their own, without a hello, until a request of them fails: what was not answered there never will be.
 */
import type { History, Write } from "./history.js";

type Fetch = (url: string, init: RequestInit) => Promise<Response>;
interface Frame {
  readonly type: string;
}

/** A `fetch` that writes what passes, for one client at a time. */
export function recordedFetch(history: History, c: string, user: string): Fetch {
  let polls: Write | undefined;
  const idle: Write[] = [];
  const ended = (): void => {
    history.succeeded.delete(c);
    polls?.("close", {});
    polls = undefined;
  };
  return async (url, init) => {
    const path = url.split("/").at(-1);
    const body = JSON.parse(String(init.body)) as Record<string, unknown>;
    if (path === "stream") return stream(history.connection(c, user), body, url, init);
    if (path === "poll") {
      const isFirst = body["hello"] === true;
      if (isFirst) ended();
      const write = (polls ??= history.connection(c, user));
      if (isFirst) write("sent", { frame: { type: "hello", resume: body["positions"] } });
      const response = await poll(write, () => write === polls, url, init);
      if (write === polls) history.succeeded.set(c, ended);
      return response;
    }
    const write = idle.pop() ?? history.connection(c, user);
    try {
      const response = await command(write, body["commands"] as Frame[], url, init);
      idle.push(write);
      return response;
    } catch (error) {
      write("close", {});
      throw error;
    }
  };
}

async function command(write: Write, frames: readonly Frame[], url: string, init: RequestInit): Promise<Response> {
  for (const frame of frames) write("sent", { frame });
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok) throw new TypeError(`HTTP ${response.status}: ${text}`);
  for (const frame of (JSON.parse(text) as { answers: (Frame | null)[] }).answers) if (frame) write("got", { frame });
  return new Response(text, response);
}

async function stream(write: Write, hello: object, url: string, init: RequestInit): Promise<Response> {
  write("sent", { frame: { ...hello, type: "hello" } });
  const close = once(() => write("close", {}));
  init.signal?.addEventListener("abort", close);
  const response = await fetch(url, init).catch((error: unknown) => {
    close();
    throw error;
  });
  if (!response.ok || !response.body) {
    close();
    return response;
  }
  return new Response(response.body.pipeThrough(noted(write, close, init.signal)), response);
}

/** Writes each frame before it is handed on. */
function noted(write: Write, close: () => void, signal: AbortSignal | null | undefined): TransformStream<Uint8Array, Uint8Array> {
  const decoder = new TextDecoder();
  let rest = "";
  return new TransformStream({
    transform(bytes, controller) {
      if (signal?.aborted) return;
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop()!;
      for (const line of lines) if (line.startsWith("data: ")) write("got", { frame: JSON.parse(line.slice(6)) as Frame });
      controller.enqueue(bytes);
    },
    flush: close,
  });
}

async function poll(write: Write, isOpen: () => boolean, url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  const text = await response.text();
  if (response.ok && isOpen() && !init.signal?.aborted) {
    for (const frame of (JSON.parse(text) as { frames: Frame[] }).frames) write("got", { frame });
  }
  return new Response(text, response);
}

function once(action: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) action();
    isDone = true;
  };
}
