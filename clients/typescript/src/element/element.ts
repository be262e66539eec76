/**
 * `<moorline-chat>`: the element itself, small, so that a page may have it from its start. The chat behind it is
 * fetched when it is about to be seen. It keeps no state of the chat, and its page's rules reach nothing inside it.
 */
import type { GetToken, Load, Tell, Widget, WidgetEvents, WidgetLook } from "./contract.js";
import { STYLE } from "./style.js";
import { fromEndpoint } from "./token.js";

/** What makes another chat of it, and what only its look. */
const MAKING = ["server", "room", "token-endpoint", "display", "frame"];
const LOOKS = ["theme", "lang", "open"];
/** Between attempts to fetch the chat's code, doubled each time up to the last. */
const RETRY_MS = { first: 2_000, last: 60_000 };
const ICON = "M4 5.5h16v11H10l-4.5 3.5v-3.5H4Z";

// Where there are no elements, on a server that renders, the module can be imported all the same.
const Base = (globalThis as Partial<typeof globalThis>).HTMLElement ?? (class {} as typeof HTMLElement);

/** The element. `define` gives it its name and says where its code comes from. */
export class MoorlineChat extends Base {
  static readonly observedAttributes = [...MAKING, ...LOOKS];
  static load: Load;
  /** The server where the attribute is absent; else it is the page's own. */
  static home: string | undefined;
  /** Gives the token instead of `token-endpoint`. Set it before the element is in the page. */
  getToken: GetToken | undefined;
  #root: ShadowRoot | undefined;
  #box!: HTMLElement;
  #launcher!: HTMLButtonElement;
  #count!: HTMLElement;
  #widget: Widget | undefined;
  /** Which making is the present one; what an older one brings comes too late. */
  #making = 0;
  #isBegun = false;
  /** Opened by somebody who wants to write, before there was anything to write in. */
  #isAsked = false;
  #isDue = false;
  #waiting: (() => void) | undefined;

  connectedCallback(): void {
    if (!this.#root) this.#build();
    this.#again();
  }

  disconnectedCallback(): void {
    // Whoever moves it takes it out and puts it in again at once.
    queueMicrotask(() => this.isConnected || this.#end());
  }

  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (before === now || !this.#root || !this.isConnected) return;
    if (MAKING.includes(name)) this.#again();
    else this.#follow();
  }

  /** Whether the chat is shown: from the start, or, floating, once it is asked for. */
  get isOpen(): boolean {
    const open = this.getAttribute("open");
    return open === null ? !this.#isFloating : open !== "false";
  }

  /** Shows the chat and puts the focus where one writes. */
  open(): void {
    this.setAttribute("open", "");
    this.#isAsked = !this.#widget;
    this.#widget?.focus();
  }

  /** Hides the chat. It stays connected and counts what is unread. */
  close(): void {
    this.setAttribute("open", "false");
    if (this.#isFloating) this.#launcher.focus();
  }

  get #isFloating(): boolean {
    return this.getAttribute("display") === "floating";
  }

  get #look(): WidgetLook {
    const theme = this.getAttribute("theme");
    const language = this.closest("[lang]")?.getAttribute("lang") || undefined;
    return { theme: theme === "light" || theme === "dark" ? theme : "system", language, isOpen: this.isOpen };
  }

  #build(): void {
    this.#root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    this.#root.adoptedStyleSheets = [sheet];
    this.#box = make("div", "box");
    this.#count = make("span", "count");
    this.#launcher = make("button", "launcher");
    this.#launcher.append(icon(), this.#count);
    this.#launcher.onclick = () => (this.isOpen ? this.close() : this.open());
    this.#root.append(this.#box, this.#launcher);
    // What is typed here is no shortcut of the page around it, which sees the element and not the field in it.
    for (const name of ["keydown", "keypress", "keyup"]) this.addEventListener(name, (event) => isWriting(event) && event.stopPropagation());
  }

  /** Makes the chat anew, after all changes of this moment. */
  #again(): void {
    this.#follow();
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      this.#end();
      if (this.isConnected) this.#wait();
    });
  }

  /** Shown is what is wanted; the chat hears of it. */
  #follow(): void {
    const isFloating = this.#isFloating;
    this.#launcher.hidden = !isFloating;
    this.#launcher.ariaExpanded = String(this.isOpen);
    this.#launcher.style.colorScheme = this.#look.theme.replace("system", "light dark");
    this.#box.hidden = !this.isOpen;
    this.#box.role = isFloating ? "dialog" : null;
    this.#box.ariaLabel = isFloating ? "Chat" : null;
    this.#widget?.update(this.#look);
    if (!this.#isBegun && this.isOpen && isFloating) this.#begin();
  }

  /** Begins when the chat is nearly on screen; a floating one when the page has nothing else to do, unless it is lazy. */
  #wait(): void {
    if (!this.#isFloating) {
      const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && this.#begin(), { rootMargin: "300px" });
      observer.observe(this);
      this.#waiting = () => observer.disconnect();
    } else if (this.isOpen) {
      this.#begin();
    } else if (this.getAttribute("loading") !== "lazy") {
      const timer = setTimeout(() => this.#begin(), 1_000);
      this.#waiting = () => clearTimeout(timer);
    }
  }

  #begin(): void {
    if (this.#isBegun || !this.isConnected || this.#isDue) return;
    this.#waiting?.();
    this.#isBegun = true;
    const room = this.getAttribute("room");
    if (room) void this.#make(room, ++this.#making, 0);
    else this.#fail("setting", "room is missing");
  }

  async #make(room: string, making: number, attempt: number): Promise<void> {
    const given = this.getAttribute("server") ?? MoorlineChat.home ?? "";
    try {
      const server = new URL(given, location.href).origin;
      const mount = this.hasAttribute("frame") ? (await import("./frame.js")).mountFrame : await MoorlineChat.load(server);
      if (making !== this.#making) return;
      const endpoint = this.getAttribute("token-endpoint");
      const getToken = this.getToken ?? (endpoint === null ? undefined : fromEndpoint(endpoint));
      const onclose = this.#isFloating ? () => this.close() : undefined;
      this.#box.replaceChildren();
      this.#widget = mount(this.#box, { ...this.#look, server, room, getToken, onclose }, this.#tell);
      if (this.#isAsked) this.#widget.focus();
    } catch (error) {
      if (making !== this.#making) return;
      this.#fail("load", `${given}: ${(error as Error).message}`);
      const timer = setTimeout(() => void this.#make(room, making, attempt + 1), Math.min(RETRY_MS.last, RETRY_MS.first * 2 ** attempt));
      this.#waiting = () => clearTimeout(timer);
    }
  }

  #end(): void {
    this.#making += 1;
    this.#isBegun = false;
    this.#waiting?.();
    this.#widget?.destroy();
    this.#widget = undefined;
    this.#box?.replaceChildren();
    this.#named(0);
  }

  #fail(code: string, message: string): void {
    const problem = make("p", "problem");
    problem.role = "status";
    const isGerman = (this.#look.language ?? navigator.language).startsWith("de");
    problem.textContent = isGerman ? "Der Chat ist gerade nicht zu erreichen." : "The chat cannot be reached right now.";
    this.#box.replaceChildren(problem);
    this.#tell("error", { code, message });
  }

  readonly #tell: Tell = (name, detail) => {
    if (name === "unread") this.#named((detail as WidgetEvents["unread"]).count);
    this.dispatchEvent(new CustomEvent(name, { detail }));
  };

  /** The launcher says how much is unread. */
  #named(unread: number): void {
    const count = unread > 99 ? "99+" : String(unread);
    this.#count.textContent = unread > 0 ? count : "";
    this.#launcher.ariaLabel = unread > 0 ? `Chat ${count}` : "Chat";
  }
}

/** Gives the element its name, once a page; `load` fetches what draws the chat. */
export function define(load: Load, home?: string): void {
  if (!globalThis.customElements || customElements.get("moorline-chat")) return;
  MoorlineChat.load = load;
  MoorlineChat.home = home;
  customElements.define("moorline-chat", MoorlineChat);
}

function make<K extends keyof HTMLElementTagNameMap>(tag: K, name: string): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.className = name;
  element.part.add(name);
  return element;
}

function icon(): SVGElement {
  const draw = (tag: "svg" | "path"): SVGElement => document.createElementNS("http://www.w3.org/2000/svg", tag);
  const [svg, path] = [draw("svg"), draw("path")];
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.ariaHidden = "true";
  path.setAttribute("d", ICON);
  svg.append(path);
  return svg;
}

function isWriting(event: Event): boolean {
  return (event.composedPath()[0] as Element).matches?.("input,textarea");
}
