/** The client; filled in the next commits. */
import type { Client, ClientOptions } from "./api.js";

/** One person's connection to one server. Nothing happens before `start()`. */
export function createClient(_options: ClientOptions = {}): Client {
  throw new Error("not built yet");
}
