/**
 * The chat in an iframe of the server's own: the page's side of it. Tokens and events pass through one message port,
 * which only the frame that was made here gets.
 */
import type { Tell, Widget, WidgetLook, WidgetOptions } from "./contract.js";

/** What the frame says first, as it is loaded: now it can take the port. A type, so that both sides have the same word and no code in common. */
export type Hello = "moorline:hello";
const HELLO: Hello = "moorline:hello";
/** A server that may not be framed here shows nothing, and says nothing either. */
const SILENCE_MS = 8_000;

/** What the frame says over the port. */
export type FromFrame =
  | { readonly is: "token"; readonly id: number; readonly why: "first" | "refused" }
  | { readonly is: "event"; readonly name: never; readonly detail: never }
  | { readonly is: "close" };

/** What its page says. */
export type ToFrame =
  | { readonly is: "token"; readonly id: number; readonly token?: string; readonly error?: string; readonly retryable?: boolean }
  | { readonly is: "look"; readonly look: WidgetLook }
  | { readonly is: "focus" };

/** What comes with the port. */
export interface Greeting {
  readonly room: string;
  readonly look: WidgetLook;
  readonly hasToken: boolean;
  readonly canClose: boolean;
}

/** Makes the frame in a box. */
export function mountFrame(box: HTMLElement, options: WidgetOptions, tell: Tell): Widget {
  const { server, room, getToken, onclose } = options;
  let look: WidgetLook = plain(options);
  let port: MessagePort | undefined;
  const frame = document.createElement("iframe");
  const say = (message: ToFrame): void => port?.postMessage(message);
  const answer = async (id: number, why: "first" | "refused"): Promise<void> => {
    try {
      say({ is: "token", id, token: await getToken!(why) });
    } catch (error) {
      say({ is: "token", id, error: String((error as Error).message), retryable: (error as { retryable?: boolean }).retryable !== false });
    }
  };
  const heard = ({ data }: MessageEvent<FromFrame>): void => {
    if (data.is === "token") void answer(data.id, data.why);
    else if (data.is === "event") tell(data.name, data.detail);
    else if (data.is === "close") onclose?.();
  };
  const greeted = ({ source, origin, data }: MessageEvent): void => {
    if (source !== frame.contentWindow || origin !== server || data !== HELLO) return;
    clearTimeout(silence);
    port?.close();
    const { port1, port2 } = new MessageChannel();
    port = port1;
    port.onmessage = heard;
    const greeting: Greeting = { room, look, hasToken: !!getToken, canClose: !!onclose };
    frame.contentWindow!.postMessage(greeting, server, [port2]);
  };
  const silence = setTimeout(() => {
    const message = `${server} does not show its chat in a frame of ${location.origin}: start it with --embed-origin ${location.origin}`;
    tell("error", { code: "frame", message });
  }, SILENCE_MS);
  addEventListener("message", greeted);
  frame.className = "frame";
  frame.part.add("frame");
  frame.title = "Chat";
  frame.allow = "clipboard-write";
  frame.src = `${server}/embed#port`;
  box.replaceChildren(frame);
  return {
    update: (now) => say({ is: "look", look: (look = plain(now)) }),
    focus: () => {
      frame.focus();
      say({ is: "focus" });
    },
    destroy: () => {
      clearTimeout(silence);
      removeEventListener("message", greeted);
      port?.close();
      frame.remove();
    },
  };
}

/** Only this can be sent. */
function plain({ theme, language, isOpen }: WidgetLook): WidgetLook {
  return { theme, language, isOpen };
}
