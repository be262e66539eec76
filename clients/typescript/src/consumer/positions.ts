/**
 * Where a consumer keeps how far it has come. Types and the one that lives in memory; a program brings its own, such as a
 * file or a table beside what its handler writes.
 */

/** The last event of a room that was handled. */
export interface HandledPosition {
  readonly epoch: string;
  readonly seq: number;
  /** The end of that event's id, by which it is seen whether the room's history is still the same. */
  readonly check?: string;
}

/** Keeps one position for each room. What `save` has promised must be there after a crash. */
export interface Positions {
  load(): Promise<Readonly<Record<string, HandledPosition>>>;
  save(room: string, position: HandledPosition): Promise<void>;
}

/** Gone with the process: for tests. */
export function memoryPositions(): Positions {
  const known: Record<string, HandledPosition> = {};
  return {
    load: async () => ({ ...known }),
    save: async (room, position) => {
      known[room] = position;
    },
  };
}
