/** The live link in a browser whose clock is set while it works. */
import { afterEach, describe, expect, it, vi } from "vitest";

import { serverNow } from "@/lib/clock";
import { reactiveLink } from "@/stores/link";

const ticker = vi.hoisted(() => ({ beat: (): void => undefined }));
vi.mock("@/lib/beat", () => ({
  onWake: () => () => undefined,
  onBeat: (beat: () => void) => {
    ticker.beat = beat;
    return () => undefined;
  },
}));

const HOUR_MS = 3_600_000;

class OpenSocket {
  static made: OpenSocket[] = [];
  readyState = 1;
  onmessage?: (event: { data: string }) => void;
  send = vi.fn();
  close = vi.fn();

  constructor() {
    OpenSocket.made.push(this);
  }
}

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a browser whose clock is set", () => {
  it.each([-HOUR_MS, HOUR_MS])("keeps the link and the server's time (%d ms)", (step) => {
    vi.useFakeTimers({ toFake: ["Date"] });
    vi.stubGlobal("WebSocket", OpenSocket);
    vi.stubGlobal("location", { protocol: "https:", host: "here" });
    vi.stubGlobal("window", { addEventListener: vi.fn(), removeEventListener: vi.fn() });
    const link = reactiveLink("desk", [], vi.fn());
    link.open();
    const [socket] = OpenSocket.made.splice(0);
    socket?.onmessage?.({ data: JSON.stringify({ type: "alive", now: 1_800_000_000 }) });
    vi.setSystemTime(Date.now() + step);
    ticker.beat();
    expect(socket?.close).not.toHaveBeenCalled();
    expect(socket?.send).toHaveBeenCalledWith('{"type":"alive"}');
    expect(serverNow()).toBeCloseTo(1_800_000_000, 0);
    link.close();
  });
});
