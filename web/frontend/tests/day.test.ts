/** Where an agent's day went. */
import { describe, expect, it } from "vitest";

import type { MeRow } from "@/api/types";
import { spentToday } from "@/lib/day";

function me(state: MeRow["state"], since: number, spent: MeRow["today"]["spent"]) {
  const today = { calls: 0, talk_seconds: 0, missed: 0, average_seconds: null, began_at: 1000, spent };
  return { state, since, today };
}

const shares = (row: ReturnType<typeof me>, now: number) =>
  Object.fromEntries(spentToday(row, now).map(({ part, seconds, share }) => [part, [seconds, share]]));

describe("the day", () => {
  it("adds what runs to what is over; being offered is being ready", () => {
    const row = me("offered", 1190, { ready: 90, talking: 50, wrap_up: 30, not_ready: 20 });
    expect(shares(row, 1200)).toEqual({
      ready: [100, 0.5],
      talking: [50, 0.25],
      wrap_up: [30, 0.15],
      not_ready: [20, 0.1],
    });
  });

  it("begins at midnight, whatever began before", () => {
    expect(shares(me("not_ready", 400, {}), 1060)["not_ready"]).toEqual([60, 1]);
  });

  it("has no shares before work began, and none while signed out", () => {
    expect(shares(me("signed_out", 0, {}), 1060)).toMatchObject({ ready: [0, 0], talking: [0, 0] });
  });
});
