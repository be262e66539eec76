/**
 * UUIDv7 (RFC 9562): the cids of everything sent. In one client they only rise, also when the wall clock
 * jumps back, since the outbox takes their order for the order of writing.
 */
import type { Environment } from "./env.js";

/** Makes cids of one client. */
export function uuidV7Source(env: Pick<Environment, "now" | "randomBytes">): () => string {
  let ms = 0;
  let counter = 0;
  return () => {
    const now = env.now();
    // 12 bits of counter; if a millisecond ever holds more than 4,096 ids, the next one is borrowed.
    if (now > ms) (ms = now), (counter = 0);
    else if (++counter > 0xfff) ms++, (counter = 0);
    const random = [...env.randomBytes(8)];
    const tail = random.map((byte, index) => hex(index ? byte : (byte & 0x3f) | 0x80, 2)).join("");
    return `${hex(ms, 12)}7${hex(counter, 3)}${tail}`.replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  };
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
