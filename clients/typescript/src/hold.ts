/**
 * Things that run for as long as somebody shows them: a client's connection, a room's timeline. Used by the entries for
 * React and Svelte, whose components come and go in any order, some of them twice (React's StrictMode). It starts at once
 * and stops a moment after the last one went, unless another came.
 */
import type { Client, Room } from "./api.js";

const holders = new WeakMap<object, number>();

function hold(what: object, start: () => void, stop: () => void): () => void {
  const count = (by: number): number => {
    const now = (holders.get(what) ?? 0) + by;
    holders.set(what, now);
    return now;
  };
  if (count(1) === 1) start();
  let isHeld = true;
  return () => {
    if (!isHeld) return;
    isHeld = false;
    count(-1);
    setTimeout(() => holders.get(what) === 0 && stop());
  };
}

/** Starts the client; the function that comes back lets it stop. */
export function holdClient(client: Client): () => void {
  return hold(client, () => client.start(), () => client.stop());
}

/** Opens the room; the function that comes back lets it close. What fails is in the room's snapshot. */
export function holdRoom(room: Room): () => void {
  return hold(room, () => void room.open().catch(() => {}), () => room.close());
}
