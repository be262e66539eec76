/**
 * Up to where the leader's connection has brought each room: what it resumes from after a cut, and whether a tab that
 * comes with its own positions gets everything from the common stream or has to ask. Used by the hub.
 */
import { checkOf, type Position, type WireEvent, type WireRoom } from "../wire.js";

/** Positions by room. */
export type PositionMap = ReadonlyMap<string, Position>;

/** The rooms of one connection, the latest activity last. */
export class StreamPositions {
  readonly #known = new Map<string, Position>();

  /** As they are now. */
  copy(): PositionMap {
    return new Map(this.#known);
  }

  /** Positions that a tab brought: taken where nothing is known. */
  adopt(positions: Readonly<Record<string, Position>>): void {
    for (const [room, position] of Object.entries(positions)) if (!this.#known.has(room)) this.#known.set(room, position);
  }

  /** A room that the server named: the stream goes on from its head. */
  named({ id, epoch, head }: WireRoom): void {
    if (this.#known.get(id)?.epoch !== epoch) this.#known.set(id, { epoch, seq: head });
  }

  /** An event of the stream. A hole below it is the business of each tab, which asks for what it lacks. */
  passed({ room, epoch, seq, id }: WireEvent): void {
    const known = this.#known.get(room);
    if (!known || known.epoch !== epoch || seq <= known.seq) return;
    this.#known.delete(room);
    this.#known.set(room, { epoch, seq, check: checkOf(id) });
  }

  reset(room: string, epoch: string | undefined, head: number | undefined): void {
    const known = this.#known.get(room);
    if (epoch === undefined || head === undefined) return;
    if (known?.epoch !== epoch || head > known.seq) this.#known.set(room, { epoch, seq: head });
  }

  gone(room: string): void {
    this.#known.delete(room);
  }

  clear(): void {
    this.#known.clear();
  }

  /** All of them in pieces of `size`, the latest activity first. */
  pieces(size: number): Record<string, Position>[] {
    const all = [...this.#known].reverse();
    return Array.from({ length: Math.ceil(all.length / size) }, (_, n) => Object.fromEntries(all.slice(n * size, (n + 1) * size)));
  }
}

/** Whether a stream that goes on from `base` brings everything that follows `position`. */
export function isCovered(position: Position, base: Position | undefined): boolean {
  if (!base || base.epoch !== position.epoch || position.seq < base.seq) return false;
  const isSameEvent = !position.check || !base.check || position.check === base.check;
  return position.seq > base.seq || isSameEvent;
}
