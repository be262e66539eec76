/**
 * What the network between the test server and its clients does wrong, and how often. All are 0 at first, and may be
 * changed at any time; what is on its way already stays as it is.
 */

/** Chances are from 0 to 1, each judged by frame. */
export interface Faults {
  /**
   * A frame is lost: a command, an answer, an event, something ephemeral. As with the real server, whose nodes compare
   * heads, an event lost so is told again within ten seconds; a command or an answer is for the client to ask again.
   */
  drop: number;
  /** An event comes a second time, up to 100 ms later. */
  repeat: number;
  /** An event is overtaken by what comes up to 100 ms after it. */
  reorder: number;
  /** The connection ends (code 1006), before or after the frame was carried out. */
  cut: number;
  /** A new connection fails before it is open. */
  refuse: number;
  /** A command is answered by the error `unavailable`, to be tried again after 100 ms, and not carried out. */
  unavailable: number;
  /** Each frame takes up to so many ms, in both directions; their order stays. */
  delayMs: number;
}

/** A network without faults. */
export function noFaults(): Faults {
  return { drop: 0, repeat: 0, reorder: 0, cut: 0, refuse: 0, unavailable: 0, delayMs: 0 };
}
