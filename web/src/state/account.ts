// The sign-in endpoints of the server, same origin, JSON both ways. Every refusal becomes a sentence that a person can act on.
import { t } from '../text/index.ts';

/** Who is signed in. */
export interface Person {
  id: string;
  name: string;
}

/** What the server says before anyone is signed in. */
export interface Door {
  user: Person | null;
  signup: 'open' | 'invite' | 'closed';
  server: { name: string; version: string };
}

/** One place where this person is signed in. */
export interface Device {
  id: string;
  created: number;
  seen: number;
  device?: string;
  current: boolean;
}

/** An invitation to make an account here. */
export interface Invitation {
  invite: string;
  /** When it ends, ms since 1970. */
  expires: number;
}

/** A refusal in plain words. `field` names the input that it belongs to. */
export class Refusal extends Error {
  constructor(readonly code: string, message: string, readonly field?: 'name' | 'password' | 'display') {
    super(message);
  }
}

type Fetch = typeof fetch;

function refusal(status: number, code: string, message: string | undefined, retryMs: number): Refusal {
  switch (code) {
    case 'bad_credentials':
    case 'unauthorized': return new Refusal(code, t.problem.credentials, 'password');
    case 'name_taken':
    case 'conflict': return new Refusal(code, t.problem.taken, 'name');
    case 'signup_closed': return new Refusal(code, t.problem.signupClosed);
    case 'bad_origin': return new Refusal(code, t.problem.origin);
    case 'rate_limited': return new Refusal(code, t.problem.tooMany(Math.max(1, Math.ceil(retryMs / 1000))));
    case 'overloaded':
    case 'unavailable':
    case 'draining': return new Refusal(code, t.problem.unavailable);
    case 'invalid': return new Refusal(code, message ?? t.problem.other, /password/i.test(message ?? '') ? 'password' : 'name');
    default: return new Refusal(code, status >= 500 ? t.problem.unavailable : message ?? t.problem.other);
  }
}

/** The built-in accounts over HTTP. `call` is the browser's fetch, or a test's. */
export class Accounts {
  constructor(private readonly call: Fetch = (...rest) => fetch(...rest)) {}

  /** Who is signed in, and whether new accounts are open. */
  async door(): Promise<Door> {
    return (await this.ask('GET', 'session')) as Door;
  }

  /** Makes an account; `invite` is what an invitation's link holds. */
  async signUp(display: string, name: string, password: string, invite?: string): Promise<Person> {
    try {
      const answer = await this.ask('POST', 'signup', { name, display, password, invite });
      return (answer as { user: Person }).user;
    } catch (error) {
      if (!invite || !(error instanceof Refusal) || error.code !== 'signup_closed') throw error;
      throw new Refusal(error.code, t.problem.inviteOver);
    }
  }

  /** A link's secret that lets somebody else make an account; only where sign-up is by invitation. */
  async invite(): Promise<Invitation> {
    return (await this.ask('POST', 'invites', {})) as Invitation;
  }

  /** Another name for oneself; answers with the name as it is kept. */
  async rename(name: string): Promise<Person> {
    const answer = await this.ask('PUT', 'profile', { name });
    return (answer as { user: Person }).user;
  }

  async signIn(name: string, password: string): Promise<Person> {
    const answer = await this.ask('POST', 'login', { name, password });
    return (answer as { user: Person }).user;
  }

  async signOut(): Promise<void> {
    await this.ask('POST', 'logout', {});
  }

  /** The devices of the person, this one first, then by last use. */
  async devices(): Promise<Device[]> {
    const { sessions } = (await this.ask('GET', 'sessions')) as { sessions: Device[] };
    return sessions.sort((a, b) => Number(b.current) - Number(a.current) || b.seen - a.seen);
  }

  async revoke(id: string): Promise<void> {
    await this.ask('DELETE', `sessions/${encodeURIComponent(id)}`);
  }

  /** How long a room's messages are kept: in seconds, 0 for ever, null as the server says. */
  async retention(room: string): Promise<number | null> {
    const { seconds } = (await this.ask('GET', `rooms/${encodeURIComponent(room)}/retention`)) as { seconds: number | null };
    return seconds;
  }

  /** Sets it, as the room's owner. */
  async keep(room: string, seconds: number | null): Promise<void> {
    await this.ask('PUT', `rooms/${encodeURIComponent(room)}/retention`, { seconds });
  }

  private async ask(method: string, path: string, body?: object): Promise<unknown> {
    let response: Response;
    try {
      response = await this.call(`/api/v1/${path}`, {
        method,
        credentials: 'same-origin',
        cache: 'no-store',
        headers: body ? { 'content-type': 'application/json' } : {},
        body: body ? JSON.stringify(body) : undefined,
      });
    } catch {
      throw new Refusal('unreachable', t.problem.unreachable);
    }
    const text = await response.text();
    const answer = parse(text);
    if (response.ok) return answer;
    const error = (answer?.error ?? {}) as { code?: string; message?: string; retry_after_ms?: number };
    const retryMs = error.retry_after_ms ?? Number(response.headers.get('retry-after') ?? 1) * 1000;
    throw refusal(response.status, error.code ?? `http_${response.status}`, error.message, retryMs);
  }
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    return text ? (JSON.parse(text) as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
