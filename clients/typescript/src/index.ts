/**
 * The public door of the SDK: everything a program may import, and nothing else.
 */
export { createClient } from "./client.js";
export { MoorlineError } from "./error.js";
export { indexedDbStore } from "./store/indexeddb.js";
export { memoryStore } from "./store/memory.js";
export type * from "./api.js";
export type { Environment } from "./env.js";
export type { LocalErrorCode } from "./error.js";
export type { OutboxEntry, Store, ScopedStore } from "./store/store.js";
export type { TransportName } from "./transport/transport.js";
export type { MemberChange, Role, RoomKind, WireEvent } from "./wire.js";
