/**
 * The door of `@moorline/client/testing`: a server in memory with faults on command and a clock of its own, so that an
 * application's tests need neither a server nor any waiting.
 */
export { FakeClock, realClock, type Clock } from "./clock.js";
export type { Faults } from "./faults.js";
export type { Carried } from "./link.js";
export { createTestServer, TestServer, type NewRoom, type TestServerOptions } from "./server.js";
export type { TestWindow } from "./window.js";
