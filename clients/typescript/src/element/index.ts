/**
 * The entry `@moorline/client/element`: importing it makes `<moorline-chat server=… room=…>` work in a page. The chat
 * itself comes from that server, so that it is always the one that the server knows.
 */
import type { Load, Mount, WidgetEvents } from "./contract.js";
import { define, type MoorlineChat } from "./element.js";

export { MoorlineChat } from "./element.js";
export type { GetToken, WidgetEvents } from "./contract.js";

/** What the server has as `/widget.js`. */
interface Served {
  load(): Promise<{ mount: Mount }>;
}

const load: Load = async (server) => {
  const address = `${server}/widget.js`;
  const served = (await import(/* @vite-ignore */ /* webpackIgnore: true */ address)) as Served;
  return (await served.load()).mount;
};

define(load);

declare global {
  interface HTMLElementTagNameMap {
    "moorline-chat": MoorlineChat;
  }
}

/** For `element.addEventListener`, by name. */
export type MoorlineChatEvents = { readonly [K in keyof WidgetEvents]: CustomEvent<WidgetEvents[K]> };
