/**
 * Names and presence of everybody the server has mentioned. A cache: it never asks by itself.
 */
import type { Person } from "./api.js";
import { Signal, type Notifier } from "./observable.js";
import type { Presence, WirePerson } from "./wire.js";

/** All people known on this connection's server. */
export class People {
  readonly signal: Signal<ReadonlyMap<string, Person>>;
  private readonly known = new Map<string, Person>();

  constructor(
    notifier: Notifier,
    private readonly named: () => void,
  ) {
    this.signal = new Signal(notifier, () => new Map(this.known));
  }

  name(id: string): string {
    return this.known.get(id)?.name ?? id;
  }

  has(id: string): boolean {
    return this.known.has(id);
  }

  get(id: string): Person {
    return this.known.get(id) ?? { id, name: id };
  }

  learn(people: readonly WirePerson[] = []): void {
    for (const person of people) {
      const before = this.known.get(person.id);
      if (before?.name === person.name && (!person.presence || before.presence === person.presence)) continue;
      this.known.set(person.id, { ...before, ...person });
      this.signal.changed();
      if (before?.name !== person.name) this.named();
    }
  }

  presence(id: string, presence: Presence, seen: number): void {
    this.known.set(id, { ...this.get(id), presence, seen });
    this.signal.changed();
  }

  clear(): void {
    this.known.clear();
    this.signal.changed();
  }
}
