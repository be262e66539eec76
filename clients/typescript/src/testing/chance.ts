/**
 * Numbers by chance that are the same for the same seed, so that a run that failed can be run again. Used by the test
 * server for its faults, its ids and its clients' jitter. Not for secrets.
 */

/** From 0 (included) to 1 (excluded), as `Math.random`. */
export type Chance = () => number;

/** The generator "sfc32", seeded by one number and warmed up. */
export function chance(seed: number): Chance {
  let [a, b, c, counter] = [seed | 0, 0x9e3779b9 | 0, Math.imul(seed | 0, 0x85ebca6b), 1];
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  for (let warm = 0; warm < 12; warm++) next();
  return next;
}

/** So many bytes. */
export function bytesOf(random: Chance, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, () => Math.floor(random() * 256));
}

/** So many digits from 0 to f. */
export function hexOf(random: Chance, digits: number): string {
  return Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join("");
}
