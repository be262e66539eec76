/**
 * Records what a client sends and gets over HTTP: each stream, and each series of polls, is a connection of the record. A
 * command belongs to the connection that was the newest when it was sent.
 */
import type { History, Write } from "./history.js";

type Fetch = (url: string, init: RequestInit) => Promise<Response>;
interface Frame {
  readonly type: string;
}

/** A `fetch` that writes what passes. */
export function recordedFetch(history: History, c: string, user: string): Fetch {
  let current: Write | undefined;
  return async (url, init) => {
    const path = url.split("/").at(-1);
    const body = JSON.parse(String(init.body)) as Record<string, unknown>;
    if (path === "commands") return commands(current ?? history.connection(c, user), body["commands"] as Frame[], url, init);
    if (path === "stream") return stream((current = history.connection(c, user)), body, url, init);
    const isFirst = body["hello"] === true;
    if (isFirst) current = history.connection(c, user);
    return poll(current!, isFirst ? body["positions"] : undefined, url, init);
  };
}

async function commands(write: Write, frames: readonly Frame[], url: string, init: RequestInit): Promise<Response> {
  for (const frame of frames) write("sent", { frame });
  const response = await fetch(url, init);
  const text = await response.text();
  if (response.ok) for (const frame of (JSON.parse(text) as { answers: (Frame | null)[] }).answers) if (frame) write("got", { frame });
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

async function poll(write: Write, resume: unknown, url: string, init: RequestInit): Promise<Response> {
  if (resume !== undefined) write("sent", { frame: { type: "hello", resume } });
  const response = await fetch(url, init);
  const text = await response.text();
  if (response.ok && !init.signal?.aborted) for (const frame of (JSON.parse(text) as { frames: Frame[] }).frames) write("got", { frame });
  return new Response(text, response);
}

function once(action: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) action();
    isDone = true;
  };
}
