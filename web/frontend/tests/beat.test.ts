/** The beat, and how a sleep of the machine is noticed. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";

const worker = vi.hoisted(() => ({ onmessage: (): void => undefined }));
vi.mock("@/lib/ticker.worker?worker", () => ({
  default: function () {
    return worker;
  },
}));

const { onBeat, onWake } = await import("@/lib/beat");

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it("tells of a sleep at the first beat after it, and of none at others", () => {
  const [beats, wakes] = [vi.fn(), vi.fn()];
  const stops = [onBeat(beats), onWake(wakes)];
  for (const passed of [2000, 2100, 5000]) {
    vi.setSystemTime(Date.now() + passed);
    worker.onmessage();
  }
  expect([beats.mock.calls.length, wakes.mock.calls.length]).toEqual([3, 0]);
  vi.setSystemTime(Date.now() + 3_600_000);
  worker.onmessage();
  expect([beats.mock.calls.length, wakes.mock.calls.length]).toEqual([4, 1]);
  stops.forEach((stop) => stop());
  vi.setSystemTime(Date.now() + 3_600_000);
  worker.onmessage();
  expect([beats.mock.calls.length, wakes.mock.calls.length]).toEqual([4, 1]);
});
