/**
 * The live link: one WebSocket with one topic. It gets a snapshot, then changes by sequence, and
 * comes back by itself with growing, jittered pauses. It knows nothing of screens.
 */
import { parsePlain } from "@/lib/plain";

import type { Pop } from "./customers";
import type { ServerMessage, Tables } from "./types";

export type LiveState = "connecting" | "live" | "waiting" | "closed";
export type Topic = "desk" | "floor";
/** The session is over; or the desk is in another browser, maybe with a call, and cannot be taken then. */
export type LiveEnd = "session" | "elsewhere" | "in_call";

export interface LiveListener {
  /** A whole new picture. */
  snapshot(rows: Tables): void;
  /** Rows that changed and keys that are gone. */
  changes(put: Tables, del: Record<string, string[]>): void;
  /** Who calls, sent with the offer. */
  pop(pop: Pop): void;
  /** The server's stamp on a message that just arrived, epoch seconds. */
  stamp(now: number): void;
  state(state: LiveState, retryInSeconds: number): void;
  /** The server closed the link for good. */
  ended(end: LiveEnd): void;
}

/** The parts of the world that tests replace. */
export interface LiveWorld {
  open(url: string): WebSocket;
  /** Calls back after so many milliseconds; returns how to cancel. */
  later(callback: () => void, milliseconds: number): () => void;
  random(): number;
  /** Calls back every two seconds, also in a hidden tab; returns how to stop. */
  beat(callback: () => void): () => void;
  now(): number;
}

const FIRST_PAUSE_MS = 500;
/** So that all panels are back within five seconds of a server that starts anew. */
const LONGEST_PAUSE_MS = 4_000;
/** The server says something every 2 s; checked every 2 s, a dead link is found within 6 s. */
const SILENCE_MS = 4_000;
/** So long a link may take from its first try to the server's first beat. */
const CONNECT_MS = 7_000;
/** Close codes of the server after which coming back by itself would be wrong. */
const FINAL_CODES: Partial<Record<number, LiveEnd>> = {
  4401: "session",
  4403: "session",
  4409: "elsewhere",
  4423: "in_call",
};

/** Pause before the given attempt (0 is the first): doubles up to four seconds, half of it random. */
export function pauseBefore(attempt: number, random: number): number {
  const ceiling = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt);
  return ceiling / 2 + (ceiling / 2) * random;
}

export class LiveLink {
  private socket: WebSocket | null = null;
  private attempt = 0;
  private sequence: number | null = null;
  private lastHeard = 0;
  private serverBeats = false;
  private cancelRetry: () => void = () => undefined;
  private stopBeat: () => void = () => undefined;
  private closed = true;
  private taking = false;

  constructor(
    private readonly url: string,
    private readonly topic: Topic,
    private readonly listener: LiveListener,
    private readonly world: LiveWorld,
  ) {}

  /** @param take have the desk here, also if it is in another browser; until it came. */
  open(take = false): void {
    if (!this.closed) return;
    this.closed = false;
    this.taking = take;
    this.attempt = 0;
    this.stopBeat = this.world.beat(() => this.onBeat());
    this.connect();
  }

  close(): void {
    this.closed = true;
    this.stopBeat();
    this.cancelRetry();
    this.drop();
    this.listener.state("closed", 0);
  }

  /** Try now instead of after the pause (the network is back, or a person asked). */
  retryNow(): void {
    if (this.closed || this.socket) return;
    this.cancelRetry();
    this.connect();
  }

  /** After a sleep: what is there may be dead without knowing it. */
  renew(): void {
    if (this.closed) return;
    this.cancelRetry();
    this.drop();
    this.attempt = 0;
    this.connect();
  }

  private connect(): void {
    this.listener.state("connecting", 0);
    const socket = this.world.open(this.url);
    this.socket = socket;
    this.sequence = null;
    this.serverBeats = false;
    this.lastHeard = this.world.now();
    socket.onopen = () => {
      this.send({ type: "subscribe", topics: [this.topic], ...(this.taking ? { take: true } : {}) });
      this.send({ type: "alive" });
    };
    socket.onmessage = (event: MessageEvent<string>) => {
      if (socket === this.socket) this.receive(parsePlain(event.data) as ServerMessage);
    };
    socket.onclose = (event: CloseEvent) => {
      if (socket === this.socket) this.lost(event.code);
    };
  }

  private receive(message: ServerMessage): void {
    this.lastHeard = this.world.now();
    this.listener.stamp(message.now);
    if (message.type === "alive") {
      this.serverBeats = true;
    } else if (message.type === "snapshot") {
      this.sequence = message.seq;
      this.attempt = 0;
      this.taking = false;
      this.listener.snapshot(message.rows);
      this.listener.state("live", 0);
    } else if (message.type === "changes" && this.sequence !== null) {
      this.sequence = message.seq;
      this.listener.changes(message.put ?? {}, message.del ?? {});
    } else if (message.type === "pop") {
      this.listener.pop(message.pop);
    }
  }

  private onBeat(): void {
    if (this.socket?.readyState !== 1) {
      this.giveUpConnecting();
      return;
    }
    const silent = this.world.now() - this.lastHeard;
    if (silent > (this.serverBeats ? SILENCE_MS : CONNECT_MS)) {
      this.lost(0);
      return;
    }
    this.send({ type: "alive" });
  }

  /** A half-open network lets a connection attempt hang for minutes. */
  private giveUpConnecting(): void {
    if (this.socket && this.world.now() - this.lastHeard > CONNECT_MS) this.lost(0);
  }

  private lost(code: number): void {
    this.drop();
    const end = FINAL_CODES[code];
    if (end) {
      this.close();
      this.listener.ended(end);
      return;
    }
    if (this.closed) return;
    const pause = pauseBefore(this.attempt, this.world.random());
    this.attempt += 1;
    this.listener.state("waiting", pause / 1000);
    this.cancelRetry = this.world.later(() => this.connect(), pause);
  }

  private drop(): void {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  private send(message: object): void {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(message));
  }
}
