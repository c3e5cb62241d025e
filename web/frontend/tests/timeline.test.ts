/** From events to lanes: what the time line of a call draws. */
import { describe, expect, it } from "vitest";

import type { TimelineItem } from "@/api/types";
import { callLanes, heardStretches, lanesOf, momentOf, positionOf, ticksOf } from "@/lib/timeline";

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

  it("ends all lanes where the call is handed over, and goes on where it comes back", () => {
    const items = [
      ...agent.slice(0, 4),
      at(2, "QueueEntered", { visit_id: "v", queue: "support" }),
      at(30, "CallHandedOver", { visit_id: "v" }),
      at(50, "LegStarted", { leg_id: "a", kind: "agent" }),
      at(50, "LegAnswered", { leg_id: "a" }),
      at(50, "LegJoined", { leg_id: "a" }),
    ];
    expect(spans(items, "leg:a", 60)).toEqual(["ringing 11-15", "talking 15-30", "talking 50-60"]);
    expect(spans(items, "queue:v", 60)).toEqual(["waiting 2-30"]);
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

describe("the recording on the call's axis", () => {
  // The file is begun with the offer at 5, but holds only what was said: 10-20 and 40-70.
  const call = [
    at(0, "LegStarted", { leg_id: "c", kind: "customer" }),
    at(5, "RecordingStarted", { recording_id: "r" }),
    at(10, "LegJoined", { leg_id: "c" }),
    at(20, "LegLeft", { leg_id: "c" }),
    at(40, "LegJoined", { leg_id: "c" }),
    at(50, "RecordingPaused", { recording_id: "r" }),
    at(70, "LegEnded", { leg_id: "c" }),
  ];
  const heard = heardStretches(call, 80);

  it("holds only what was said", () => {
    expect(heard).toEqual([
      { from: 10, to: 20 },
      { from: 40, to: 70 },
    ]);
    expect(heardStretches(call.slice(0, 1), 80)).toEqual([]);
  });

  it("draws the lane where there is sound", () => {
    const lane = callLanes(call, 80).find((each) => each.kind === "recording");
    expect(lane?.spans).toEqual([
      { kind: "recording", from: 10, to: 20 },
      { kind: "recording", from: 40, to: 50 },
      { kind: "paused", from: 50, to: 70 },
    ]);
  });

  it("finds the place in the file for a moment, and back", () => {
    expect([0, 10, 15, 30, 40, 69, 99].map((moment) => positionOf(heard, moment))).toEqual([
      0, 0, 5, 10, 10, 39, 40,
    ]);
    expect([0, 5, 10, 11, 40, 99].map((position) => momentOf(heard, position))).toEqual([
      10, 15, 20, 41, 70, 70,
    ]);
  });
});
