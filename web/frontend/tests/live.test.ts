/** The live link against a server that goes away, stays silent or ends the session. */
import { describe, expect, it, vi } from "vitest";

import { LiveLink, pauseBefore, type LiveListener, type LiveWorld } from "@/api/live";

class FakeSocket {
  readyState = 0;
  sent: unknown[] = [];
  onopen?: () => void;
  onmessage?: (event: { data: string }) => void;
  onclose?: (event: { code: number }) => void;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.readyState = 3;
  }

  opens(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  says(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  dies(code = 1006): void {
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

function world() {
  const sockets: FakeSocket[] = [];
  const timers: { callback: () => void; after: number }[] = [];
  let beat: () => void = () => undefined;
  const clock = { milliseconds: 0 };
  const parts: LiveWorld = {
    open: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket as unknown as WebSocket;
    },
    later: (callback, after) => {
      timers.push({ callback, after });
      return () => timers.splice(0);
    },
    random: () => 0.5,
    beat: (callback) => {
      beat = callback;
      return () => (beat = () => undefined);
    },
    now: () => clock.milliseconds,
  };
  const listener = {
    snapshot: vi.fn<LiveListener["snapshot"]>(),
    changes: vi.fn<LiveListener["changes"]>(),
    pop: vi.fn<LiveListener["pop"]>(),
    stamp: vi.fn<LiveListener["stamp"]>(),
    state: vi.fn<LiveListener["state"]>(),
    ended: vi.fn<LiveListener["ended"]>(),
  };
  const link = new LiveLink("ws://here", "desk", listener, parts);
  const last = (): FakeSocket => sockets.at(-1) as FakeSocket;
  const runTimer = (): void => timers.shift()?.callback();
  return { sockets, timers, clock, listener, link, last, runTimer, beat: () => beat() };
}

const SNAPSHOT = { type: "snapshot", seq: 7, now: 100, rows: { me: {} } };

describe("the live link", () => {
  it("subscribes, takes the snapshot, then changes", () => {
    const { link, last, listener } = world();
    link.open();
    last().opens();
    expect(last().sent[0]).toEqual({ type: "subscribe", topics: ["desk"] });
    last().says({ type: "changes", seq: 6, now: 99, put: { me: {} } });
    expect(listener.changes).not.toHaveBeenCalled(); // before the snapshot it means nothing
    last().says(SNAPSHOT);
    last().says({ type: "changes", seq: 8, now: 101, put: { me: { a: {} } } });
    expect(listener.snapshot).toHaveBeenCalledWith({ me: {} });
    expect(listener.changes).toHaveBeenCalledWith({ me: { a: {} } }, {});
    expect(listener.state).toHaveBeenLastCalledWith("live", 0);
    const pop = { call_id: "c1", number: null, chosen: null, matches: [] };
    last().says({ type: "pop", now: 102, pop });
    expect(listener.pop).toHaveBeenCalledWith(pop);
  });

  it("comes back with growing pauses and forgets them after a snapshot", () => {
    const { link, last, timers, runTimer } = world();
    link.open();
    const pauses: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      last().dies();
      pauses.push(timers[0]?.after ?? 0);
      runTimer();
    }
    expect(pauses).toEqual([375, 750, 1500, 3000, 3000, 3000, 3000, 3000]);
    last().opens();
    last().says(SNAPSHOT);
    last().dies();
    expect(timers[0]?.after).toBe(375);
  });

  it("jitters between half and the whole pause", () => {
    expect(pauseBefore(0, 0)).toBe(250);
    expect(pauseBefore(0, 1)).toBe(500);
    expect(pauseBefore(30, 1)).toBe(4_000);
  });

  it("gives up a link on which the server fell silent", () => {
    const { link, last, clock, beat, listener, timers } = world();
    link.open();
    last().opens();
    last().says(SNAPSHOT);
    last().says({ type: "alive", now: 100 });
    clock.milliseconds = 8000;
    beat();
    expect(listener.state).toHaveBeenLastCalledWith("waiting", 0.375);
    expect(timers).toHaveLength(1);
  });

  it("takes no more than six seconds for it: silence of four, looked for every two", () => {
    const { link, last, clock, beat, listener } = world();
    link.open();
    last().opens();
    last().says(SNAPSHOT);
    last().says({ type: "alive", now: 100 });
    clock.milliseconds = 4000;
    beat();
    expect(listener.state).toHaveBeenLastCalledWith("live", 0);
    clock.milliseconds = 6000;
    beat();
    expect(listener.state).toHaveBeenLastCalledWith("waiting", 0.375);
  });

  it("gives up a link that opens and then says nothing", () => {
    const { link, last, clock, beat, listener } = world();
    link.open();
    last().opens();
    clock.milliseconds = 8000;
    beat();
    expect(listener.state).toHaveBeenLastCalledWith("waiting", 0.375);
  });

  it("begins anew at once after a sleep, whatever the old connection seems to be", () => {
    const { link, last, sockets, listener } = world();
    link.open();
    last().opens();
    last().says(SNAPSHOT);
    link.renew();
    expect(sockets).toHaveLength(2);
    sockets[0]?.says({ ...SNAPSHOT, seq: 99 }); // of the old one nothing counts
    expect(listener.snapshot).toHaveBeenCalledTimes(1);
    last().opens();
    last().says(SNAPSHOT);
    expect(listener.state).toHaveBeenLastCalledWith("live", 0);
    link.close();
    link.renew();
    expect(sockets).toHaveLength(2);
  });

  it("gives up an attempt that never opens", () => {
    const { link, clock, beat, listener } = world();
    link.open();
    clock.milliseconds = 8000;
    beat();
    expect(listener.state).toHaveBeenLastCalledWith("waiting", 0.375);
  });

  it("says that it lives at every beat", () => {
    const { link, last, beat } = world();
    link.open();
    last().opens();
    beat();
    expect(last().sent.filter((message) => (message as { type: string }).type === "alive")).toHaveLength(2);
  });

  it("tries no more when the session ended", () => {
    const { link, last, listener, timers } = world();
    link.open();
    last().opens();
    last().dies(4401);
    expect(listener.state).toHaveBeenLastCalledWith("closed", 0);
    expect(listener.ended).toHaveBeenLastCalledWith("session");
    expect(timers).toHaveLength(0);
  });

  it.each([
    [4409, "elsewhere"],
    [4423, "in_call"],
  ])("does not come back by itself to a desk that is in another browser (%d)", (code, end) => {
    const { link, last, listener, timers } = world();
    link.open();
    last().opens();
    last().dies(code);
    expect(listener.ended).toHaveBeenLastCalledWith(end);
    expect(timers).toHaveLength(0);
  });

  it("asks for the desk until it came, and no more", () => {
    const { link, last, runTimer } = world();
    link.open(true);
    for (const asked of [true, true]) {
      last().opens();
      expect(last().sent[0]).toEqual({ type: "subscribe", topics: ["desk"], take: asked });
      last().dies();
      runTimer();
    }
    last().opens();
    last().says(SNAPSHOT);
    last().dies();
    runTimer();
    last().opens();
    expect(last().sent[0]).toEqual({ type: "subscribe", topics: ["desk"] });
  });

  it("tries at once when it is told that the network is back", () => {
    const { link, last, sockets, timers } = world();
    link.open();
    last().dies();
    link.retryNow();
    expect(sockets).toHaveLength(2);
    expect(timers).toHaveLength(0);
  });

  it("hears nothing any more from a socket it left", () => {
    const { link, last, listener } = world();
    link.open();
    const old = last();
    old.opens();
    link.close();
    old.says(SNAPSHOT);
    old.dies();
    expect(listener.snapshot).not.toHaveBeenCalled();
    expect(listener.state).toHaveBeenLastCalledWith("closed", 0);
  });
});
