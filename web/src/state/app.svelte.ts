// The page as a whole: which screen, which place, who is signed in. Everything from outside is handed in, so that tests hand in their own.
import type { Client } from '@moorline/client';
import { Accounts, Refusal, type Person } from './account.ts';
import { Appearance } from './appearance.svelte.ts';
import { Chat } from './chat.svelte.ts';
import { Kept } from './kept.ts';
import type { Line } from './line.svelte.ts';
import { formatRoute, parseRoute, type Route } from './route.ts';

/** What is on screen. */
export type Screen =
  | { is: 'starting' }
  | { is: 'unreachable' }
  | { is: 'signed-out'; hasEnded: boolean }
  | { is: 'in'; chat: Chat };

/** What the page needs from its surroundings. */
export interface Surroundings {
  accounts: Accounts;
  /** Makes the client of this person; it is not started yet. */
  connect: (me: Person) => Client;
  /** What the connection runs over; without it nothing can be cut. */
  line?: Line;
  /** What is kept for times without the server; tests hand in their own. */
  kept?: Kept;
  /** Removes what the person who was connected last had not sent. */
  dropQueue?: () => Promise<void>;
  /** Shows another address, which comes back by `App.arrive`. */
  navigate: (hash: string, isReplacing: boolean) => void;
}

/** Close codes after which the session is over. */
const sessionIsOver = new Set([4401, 4403]);
const tryAgainMs = 2_000;
/** How long the server may take to say who is here before somebody who is known here is let in as they were. */
export const doorMs = 3_000;

/** The one object that the view draws. */
export class App {
  readonly accounts: Accounts;
  readonly line: Line | undefined;
  readonly appearance = new Appearance();
  screen = $state.raw<Screen>({ is: 'starting' });
  route = $state.raw<Route>({ at: 'rooms' });
  signup = $state<'open' | 'invite' | 'closed'>('closed');
  version = $state('');
  /** Somebody signed in on this device before: then the first screen is for signing in, not for a new account. */
  isKnownHere = $state(wasHere());
  readonly #outside: Surroundings;
  readonly #kept: Kept;
  #isDoorKnown = false;
  #offClient: (() => void) | undefined;
  #isLeaving = false;

  constructor(outside: Surroundings) {
    this.#outside = outside;
    this.accounts = outside.accounts;
    this.line = outside.line;
    this.#kept = outside.kept ?? new Kept();
  }

  /**
   * Asks the server who is here; tries again by itself while it cannot be reached. Somebody who was in when this device last
   * heard of the server gets in without it, to what is kept; the connection finds out later whether they still are.
   */
  async start(): Promise<void> {
    const known = this.#kept.owner().catch(() => undefined);
    try {
      const user = await answerOrLate(this.#askDoor(), known);
      if (user) this.#enter(user);
      else this.#leave(false);
    } catch {
      const before = await known;
      if (before) return this.#enter(before, true);
      this.screen = { is: 'unreachable' };
      setTimeout(() => { if (this.screen.is === 'unreachable') void this.start(); }, tryAgainMs);
    }
  }

  /** The address changed. */
  arrive(hash: string): void {
    this.route = parseRoute(hash);
    // One who is in needs no door; an invitation's secret goes out of the address.
    if (this.screen.is === 'in' && isDoor(this.route)) return this.go({ at: 'rooms' }, true);
    this.#follow();
  }

  go(route: Route, isReplacing = false): void {
    this.#outside.navigate(formatRoute(route), isReplacing);
  }

  async signIn(name: string, password: string): Promise<void> {
    this.#enter(await this.accounts.signIn(name, password));
  }

  async signUp(display: string, name: string, password: string): Promise<void> {
    const invite = this.route.at === 'signup' ? this.route.invite : undefined;
    this.#enter(await this.accounts.signUp(display || name, name, password, invite));
  }

  /** Signs out here, and leaves nothing of this person on the device. Without the server's word the session would go on, so a failure is told and the page stays. */
  async signOut(): Promise<void> {
    const chat = this.screen.is === 'in' ? this.screen.chat : undefined;
    this.#isLeaving = true;
    try {
      await this.accounts.signOut();
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'unauthorized') throw error;
    } finally {
      this.#isLeaving = false;
    }
    this.#exit(false);
    await Promise.all([chat?.erase(), this.#outside.dropQueue?.().catch(() => undefined)]);
  }

  async #askDoor(): Promise<Person | null> {
    const door = await this.accounts.door();
    this.signup = door.signup;
    this.version = door.server.version;
    this.#isDoorKnown = true;
    return door.user;
  }

  /** What could not be asked at the start. */
  #learnDoor(): void {
    if (!this.#isDoorKnown) this.#askDoor().catch(() => undefined);
  }

  /** `isAway`: the server could not say that it is this person. */
  #enter(me: Person, isAway = false): void {
    const client = this.#outside.connect(me);
    const offState = client.on('state', (state) => {
      if (state.is === 'closed' && sessionIsOver.has(state.code) && !this.#isLeaving) this.#exit(true);
      if (state.is === 'live') this.#learnDoor();
    });
    // Somebody else signed in in another tab of this browser: the page begins anew as that person.
    const offUser = client.on('user', ({ user }) => {
      if (user.id !== me.id) void this.#changePerson();
    });
    this.#offClient = () => {
      offState();
      offUser();
    };
    this.isKnownHere = true;
    remember();
    this.screen = { is: 'in', chat: new Chat(client, me, this.#kept, isAway) };
    if (isDoor(this.route)) this.go({ at: 'rooms' }, true);
    this.#follow();
  }

  #changePerson(): Promise<void> {
    this.#stop();
    this.screen = { is: 'starting' };
    this.go({ at: 'rooms' }, true);
    return this.start();
  }

  #stop(): void {
    this.#offClient?.();
    if (this.screen.is === 'in') this.screen.chat.stop();
  }

  #exit(hasEnded: boolean): void {
    this.#stop();
    this.#learnDoor();
    this.#leave(hasEnded);
    this.go({ at: 'signin' }, true);
  }

  /** Nobody is in: what somebody saw is not for the next one. What they began or queued waits for them, unless they sign out themselves. */
  #leave(hasEnded: boolean): void {
    this.#kept.erase().catch(() => undefined);
    this.screen = { is: 'signed-out', hasEnded };
  }

  #follow(): void {
    if (this.screen.is !== 'in') return;
    const { chat } = this.screen;
    if (this.route.at === 'room') {
      chat.open(this.route.id);
      if (this.route.message) chat.talk?.show(this.route.message);
    } else if (this.route.at === 'rooms') {
      chat.open(undefined);
    }
  }
}

/** The server's answer; rejects when it takes long and somebody is known here, who need not wait for it. */
async function answerOrLate(asked: Promise<Person | null>, known: Promise<Person | undefined>): Promise<Person | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => void known.then((person) => person && reject(new Refusal('unreachable', ''))), doorMs);
  });
  return Promise.race([asked, late]).finally(() => clearTimeout(timer));
}

const isDoor = (route: Route) => route.at === 'signin' || route.at === 'signup';

const knownKey = 'moorline.known';

function wasHere(): boolean {
  try {
    return localStorage.getItem(knownKey) !== null;
  } catch {
    return false;
  }
}

function remember(): void {
  try {
    localStorage.setItem(knownKey, '1');
  } catch {
    // Storage is switched off: the next visit starts with a new account's form, one click from signing in.
  }
}
