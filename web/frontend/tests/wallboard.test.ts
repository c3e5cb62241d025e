/** The wall's pure parts: limits, bounds, quarters, pages. */
import { describe, expect, it } from "vitest";

import type { AlarmRow, FloorQueueRow, GapRow, QueueLimits, TrendRow, Trends } from "@/api/types";
import { i18n } from "@/i18n";
import { alarmWords } from "@/lib/alarmWords";
import { countBounds, levelBounds, together } from "@/lib/bounds";
import { levelTone, queueTone, waitingTone, waitTone } from "@/lib/limits";
import { fromFirst, points, QUARTER_SECONDS, sparkPath } from "@/lib/trend";
import { columnsOf, pagesOf, wallOptions } from "@/lib/wall";

const LIMITS: QueueLimits = {
  waiting: { warn: 3, alarm: 6 },
  longest_wait_seconds: { warn: 20, alarm: 60 },
  service_level: { warn: 0.8, alarm: 0.6 },
};
const ROW = {
  waiting: 0,
  ready: 1,
  oldest_since: null,
  service_level_now: 0.9,
  judged_now: 10,
  answered_in_time_today: 80,
  judged_today: 100,
  unheard_today: null,
} as FloorQueueRow;

describe("limits", () => {
  it("warns from the first limit on and alarms from the second on", () => {
    expect([2, 3, 5, 6].map((waiting) => waitingTone({ ...ROW, waiting }, LIMITS))).toEqual(["calm", "warn", "warn", "over"]);
    expect([19, 20, 60].map((wait) => waitTone(1000, 1000 + wait, LIMITS))).toEqual(["calm", "warn", "over"]);
    expect([0.8, 0.79, 0.6, 0.59].map((level) => levelTone(level, 9, LIMITS))).toEqual(["calm", "warn", "warn", "over"]);
  });

  it("looks at callers whom nobody can take, and not at levels of a handful", () => {
    expect(waitingTone({ ...ROW, waiting: 1, ready: 0 }, LIMITS)).toBe("warn");
    expect(levelTone(0, 4, LIMITS)).toBe("calm");
  });

  it("takes the worst for the queue, and nothing where there are no limits", () => {
    expect(queueTone({ ...ROW, waiting: 3, oldest_since: 0 }, 61, LIMITS)).toBe("over");
    expect(queueTone({ ...ROW, waiting: 99, oldest_since: 0 }, 999, undefined)).toBe("calm");
  });
});

describe("bounds", () => {
  const open = { calls_at_most: 4, ends_unknown: 2 };

  it("says nothing where all was heard", () => {
    expect(countBounds(7, null, true)).toEqual({ low: 7, high: 7 });
    expect(levelBounds(ROW)).toEqual({ low: 0.8, high: 0.8 });
  });

  it("adds what may have been missed", () => {
    expect(countBounds(120, open, true)).toEqual({ low: 120, high: 126 });
    expect(countBounds(120, open, false)).toEqual({ low: 120, high: 124 });
    expect(levelBounds({ ...ROW, unheard_today: open })).toEqual({ low: 80 / 106, high: 86 / 106 });
  });

  it("admits that nobody can say", () => {
    const unknown = { calls_at_most: null, ends_unknown: 0 };
    expect(countBounds(120, unknown, true)).toEqual({ low: 120, high: null });
    expect(levelBounds({ ...ROW, unheard_today: unknown })).toBeNull();
    expect(together([open, null, unknown])).toEqual({ calls_at_most: null, ends_unknown: 2 });
    expect(together([open, open])).toEqual({ calls_at_most: 8, ends_unknown: 4 });
    expect(together([null])).toBeNull();
  });
});

describe("the day by quarters", () => {
  const begin = 1_800_000_000;
  const trends: Trends = {
    day: "2027-01-15",
    begin,
    end: begin + 86_400,
    quarter_seconds: QUARTER_SECONDS,
    series: [
      { queue: "a", offered: [0, 5], answered: [0, 4], abandoned: [0, 1], service_level: [null, 0.8], waiting_most: [0, 2], ready_mean: [0, 1.5] },
    ],
    gaps: [],
  };
  const row = (quarter: number, offered: number, queue: string | null = "a"): TrendRow => ({
    queue,
    begin: begin + quarter * QUARTER_SECONDS,
    offered,
    answered: 0,
    abandoned: 0,
    service_level: null,
    waiting_most: 0,
    ready_mean: null,
  });

  it("lays the live quarters over what was asked for, and goes on after it", () => {
    const live = [row(1, 6), row(3, 2), row(1, 99, "b"), row(-1, 9), row(96, 9)];
    expect(points(trends, "a", live, []).map((point) => point.offered)).toEqual([0, 6, 0, 2]);
    expect(points(trends, null, [row(0, 3, null)], []).map((point) => point.offered)).toEqual([3]);
  });

  it("marks every quarter that a gap touches", () => {
    const gap: GapRow = { from_at: begin + 890, to_at: begin + 910, reason: "link_lost" };
    expect(points(trends, "a", [row(2, 1)], [gap]).map((point) => point.gap)).toEqual([true, true, false]);
  });

  it("leaves the night out, but shows four hours at least", () => {
    const day = points(trends, "a", [row(39, 1)], []);
    expect(fromFirst(day)[0]?.begin).toBe(begin + QUARTER_SECONDS);
    expect(fromFirst(points(trends, "a", [], []))).toHaveLength(2);
  });

  it("draws a line from edge to edge", () => {
    expect(sparkPath([0, 2, 1], 10, 12)).toBe("M0.0 11.0L5.0 1.0L10.0 6.0");
    expect(sparkPath([], 10, 12)).toBe("");
  });
});

describe("the wall", () => {
  it("takes its settings from the address and bounds them", () => {
    expect(wallOptions({})).toEqual({ kiosk: false, rotate: 15, queues: [], theme: "dark", sound: false });
    expect(wallOptions({ kiosk: "1", rotate: "0", queues: "b,a", theme: "light", sound: "1" })).toEqual({
      kiosk: true,
      rotate: 0,
      queues: ["b", "a"],
      theme: "light",
      sound: true,
    });
    expect(wallOptions({ rotate: "99999", theme: ["x"] }).rotate).toBe(600);
  });

  it("fills pages evenly", () => {
    expect(pagesOf([1, 2, 3, 4, 5, 6, 7]).map((page) => page.length)).toEqual([4, 3]);
    expect(pagesOf([])).toEqual([]);
    expect([1, 2, 4, 5, 6].map(columnsOf)).toEqual([1, 2, 2, 3, 3]);
  });
});

describe("alarms of queues", () => {
  it("are told in words, with the limit as people read it", () => {
    i18n.global.locale.value = "en";
    const alarm = (figure: string, limit: string): AlarmRow => ({
      key: "k",
      level: "error",
      code: "queue_over_threshold",
      since: 0,
      params: { queue: "a", figure, limit },
    });
    const say = (figure: string, limit: string): string => alarmWords(alarm(figure, limit), () => "Sales");
    expect(say("longest_wait", "90")).toBe("Sales: somebody has waited 1:30 or longer");
    expect(say("waiting", "12")).toBe("Sales: 12 callers or more are waiting");
    expect(say("service_level", "0.6")).toBe("Sales: service level of the last half hour below 60%");
  });
});
