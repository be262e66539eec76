/**
 * What the loader and the chat behind it say to each other. The loader may come from a package and be older or newer
 * than the server's chat, so members are only ever added here. Types only, no code.
 */
import type { State } from "../api.js";

/** Fetches a token for the person in front of the page. An error with `retryable: false` ends the attempts. */
export type GetToken = (why: "first" | "refused") => Promise<string>;

/** What may change while the chat is on screen. */
export interface WidgetLook {
  readonly theme: "system" | "light" | "dark";
  /** A language tag; undefined follows the browser. */
  readonly language: string | undefined;
  readonly isOpen: boolean;
}

/** What a chat is made with. */
export interface WidgetOptions extends WidgetLook {
  /** The server's origin, such as `https://chat.example.org`. */
  readonly server: string;
  readonly room: string;
  /** Without it the server's own session cookie signs in. */
  readonly getToken?: GetToken | undefined;
  /** It is all of its document: an iframe. */
  readonly isWhole?: boolean | undefined;
  /** Closes the chat; without it nothing offers that. */
  readonly onclose?: (() => void) | undefined;
}

/** What a page hears: the `detail` of the element's events, by their names. */
export interface WidgetEvents {
  /** Signed in, and the room is known. */
  ready: { readonly user: { readonly id: string; readonly name: string }; readonly room: string };
  /** A new message of the room, once, in order; `mine` also when it was written on another device. */
  message: {
    readonly id: string;
    readonly seq: number;
    readonly from: string;
    readonly name: string;
    readonly body: string;
    readonly at: number;
    readonly mine: boolean;
  };
  /** How many messages of others are unread in the room. */
  unread: { readonly count: number };
  /** The connection, as the SDK tells it. */
  state: State;
  /** Something does not work: `code` is a word of the protocol, or `load`, `frame`, `token`, `room`, `setting`. */
  error: { readonly code: string; readonly message: string };
}

/** Takes an event out of the chat. */
export type Tell = <K extends keyof WidgetEvents>(name: K, detail: WidgetEvents[K]) => void;

/** A chat on screen. */
export interface Widget {
  update(look: WidgetLook): void;
  /** Puts the focus where one writes. */
  focus(): void;
  destroy(): void;
}

/** Draws a chat into a box that stands in a shadow root. */
export type Mount = (box: HTMLElement, options: WidgetOptions, tell: Tell) => Widget;

/** Fetches the code that draws, from that server. */
export type Load = (server: string) => Promise<Mount>;
