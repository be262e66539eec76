// What was begun in a composer and not sent: one draft a room and person, kept on this device, also over a reload.

/** The drafts of one person. */
export class Drafts {
  private readonly inMemory = new Map<string, string>();

  constructor(private readonly person: string) {}

  get(room: string): string {
    try {
      return localStorage.getItem(this.key(room)) ?? '';
    } catch {
      return this.inMemory.get(room) ?? '';
    }
  }

  set(room: string, text: string): void {
    try {
      if (text) localStorage.setItem(this.key(room), text);
      else localStorage.removeItem(this.key(room));
    } catch {
      this.inMemory.set(room, text);
    }
  }

  /** Nothing that was begun is left. */
  erase(): void {
    this.inMemory.clear();
    try {
      const own = Object.keys(localStorage).filter((key) => key.startsWith(this.key('')));
      for (const key of own) localStorage.removeItem(key);
    } catch {
      // Storage is switched off: there was nothing in it.
    }
  }

  private key(room: string): string {
    return `moorline.draft.${this.person}.${room}`;
  }
}
