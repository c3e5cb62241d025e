/** From events to lanes: what the time line of a call draws. */
import { describe, expect, it } from "vitest";

import type { TimelineItem } from "@/api/types";
import { lanesOf, ticksOf } from "@/lib/timeline";

const at = (seconds: number, what: string, fields: object = {}): TimelineItem => ({
  at: seconds,
  what,
  ...fields,
});
const spans = (items: TimelineItem[], key: string, until = 100): string[] =>
  (lanesOf(items, until).find((lane) => lane.key === key)?.spans ?? []).map(
    (span) => `${span.kind} ${span.from}-${span.to}`,
  );

describe("lanes of a call", () => {
  const agent = [
    at(10, "LegStarted", { leg_id: "a", kind: "agent", agent_id: "1001" }),
    at(11, "LegRinging", { leg_id: "a" }),
    at(15, "LegAnswered", { leg_id: "a" }),
    at(15, "LegJoined", { leg_id: "a" }),
    at(40, "LegHeld", { leg_id: "a" }),
    at(50, "LegResumed", { leg_id: "a" }),
    at(60, "LegEnded", { leg_id: "a" }),
  ];

  it("draws ringing, talk and hold of a leg", () => {
    expect(spans(agent, "leg:a")).toEqual([
      "ringing 11-15",
      "talking 15-40",
      "hold 40-50",
      "talking 50-60",
    ]);
  });

  it("lets what has no end run to now", () => {
    expect(spans(agent.slice(0, 4), "leg:a", 30)).toEqual(["ringing 11-15", "talking 15-30"]);
  });

  it("draws the wait, also that in the PBX's own queue", () => {
    const visit = { visit_id: "v", queue: "support" };
    const items = [
      at(1, "QueueEntered", visit),
      at(5, "NativeEntered", visit),
      at(9, "NativeLeft", visit),
      at(12, "QueueLeft", visit),
    ];
    expect(spans(items, "queue:v")).toEqual(["waiting 1-5", "native 5-9", "waiting 9-12"]);
  });

  it("draws the recording with its pauses", () => {
    const items = ["RecordingStarted", "RecordingPaused", "RecordingResumed"].map((what, index) =>
      at(index * 10, what, { recording_id: "r" }),
    );
    expect(spans(items, "recording:r", 25)).toEqual([
      "recording 0-10",
      "paused 10-20",
      "recording 20-25",
    ]);
  });

  it("goes from the queue over the caller and agents to the recording", () => {
    const items = [
      at(3, "RecordingStarted", { recording_id: "r" }),
      ...agent,
      at(0, "LegStarted", { leg_id: "c", kind: "customer" }),
      at(1, "QueueEntered", { visit_id: "v", queue: "support" }),
    ];
    expect(lanesOf(items, 99).map((lane) => lane.kind)).toEqual([
      "queue",
      "customer",
      "agent",
      "recording",
    ]);
  });

  it("leaves out events that it does not know", () => {
    expect(lanesOf([at(1, "SomethingNew", { leg_id: "z" })], 5)).toEqual([]);
  });
});

describe("the axis", () => {
  it("has few marks, at round seconds", () => {
    expect(ticksOf(12)).toEqual([0, 2, 4, 6, 8, 10, 12]);
    for (const length of [1, 7, 59, 214, 3600, 86_400]) {
      expect(ticksOf(length).length).toBeLessThanOrEqual(13);
    }
  });
});
