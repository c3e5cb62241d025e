/** Which device is taken, why there is none, and how loud it is. */
import { describe, expect, it, vi } from "vitest";

import { devicesOf, keepWish, readWish, taken } from "@/phone/devices";
import { levelOf } from "@/phone/level";
import { tryMicrophone } from "@/phone/microphone";

const HEADSET = { id: "h", label: "Headset" };
const ROOM = { id: "r", label: "Room" };

describe("devices", () => {
  it("are what the browser lists, by kind; without permission it hides them", () => {
    const listed = devicesOf([
      { kind: "audioinput", deviceId: "h", label: "Headset" },
      { kind: "audioinput", deviceId: "communications", label: "Communications - Headset" },
      { kind: "videoinput", deviceId: "v", label: "Camera" },
      { kind: "audiooutput", deviceId: "s", label: "" },
    ]);
    expect(listed).toEqual({ microphone: [HEADSET], speaker: [{ id: "s", label: "s" }] });
    expect(devicesOf([{ kind: "audioinput", deviceId: "", label: "" }]).microphone).toEqual([]);
  });

  it.each([
    ["the wished one", [ROOM, HEADSET], HEADSET, HEADSET],
    ["the wished one by name, its id has changed", [ROOM, { id: "new", label: "Headset" }], HEADSET, { id: "new", label: "Headset" }],
    ["the system's where the wished one is unplugged", [ROOM], HEADSET, ROOM],
    ["the system's where nothing was wished", [ROOM, HEADSET], null, ROOM],
    ["none where none is there", [], HEADSET, null],
  ])("taken is %s", (_what, plugged, wish, expected) => {
    expect(taken(plugged, wish)).toEqual(expected);
  });

  it("are remembered in this browser; rubbish is not", () => {
    const kept = new Map<string, string>();
    vi.stubGlobal("localStorage", {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => kept.set(key, value),
    });
    expect(readWish("microphone")).toBeNull();
    keepWish("microphone", HEADSET);
    expect(readWish("microphone")).toEqual(HEADSET);
    expect(readWish("speaker")).toBeNull();
    kept.set("zuoxi.speaker", '{"id": 7}');
    expect(readWish("speaker")).toBeNull();
  });
});

describe("the microphone", () => {
  it.each([
    ["NotAllowedError", "refused"],
    ["NotFoundError", "missing"],
    ["NotReadableError", "busy"],
  ])("%s is told as %s", async (name, state) => {
    const getUserMedia = (): Promise<never> => Promise.reject(new DOMException("no", name));
    vi.stubGlobal("navigator", { mediaDevices: { getUserMedia } });
    expect(await tryMicrophone()).toBe(state);
  });

  it("is another one where the wished one was pulled out", async () => {
    const gone = new DOMException("no", "OverconstrainedError");
    const stream = { getTracks: () => [] };
    const getUserMedia = vi.fn().mockRejectedValueOnce(gone).mockResolvedValue(stream);
    vi.stubGlobal("navigator", { mediaDevices: { getUserMedia } });
    expect(await tryMicrophone("h")).toBe("granted");
    expect(getUserMedia.mock.lastCall?.[0]).not.toHaveProperty("audio.deviceId");
  });

  it("is not to be had at an address without TLS", async () => {
    vi.stubGlobal("navigator", {});
    expect(await tryMicrophone()).toBe("insecure");
  });
});

describe("the level", () => {
  it("goes from silence to full scale by decibels", () => {
    expect(levelOf(new Float32Array(8))).toBe(0);
    expect(levelOf(new Float32Array(8).fill(1))).toBe(1);
    expect(levelOf(new Float32Array(8).fill(0.0316))).toBeCloseTo(0.5, 1);
  });
});
