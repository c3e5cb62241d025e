/**
 * From a call's events to what the time line draws: one lane per queue visit, leg and recording,
 * and in each lane spans that say what went on. Pure.
 */
import type { LegKind, TimelineItem } from "@/api/types";

export type SpanKind =
  | "waiting"
  | "native"
  | "ringing"
  | "connected"
  | "talking"
  | "hold"
  | "recording"
  | "paused";

export interface Span {
  kind: SpanKind;
  from: number;
  to: number;
}

export type LaneKind = "queue" | "recording" | LegKind;

export interface Lane {
  key: string;
  kind: LaneKind;
  /** The queue's name, the agent's number or the extension: what sets it apart from its like. */
  who: string | null;
  spans: Span[];
}

interface OpenLane extends Lane {
  open: SpanKind | null;
  since: number;
  /** For legs: in a bridge, so the end of a hold is talk again. */
  joined: boolean;
}

type Step = (lane: OpenLane, item: TimelineItem) => SpanKind | null;

const LANE_OF: Record<string, "queue" | "leg" | "recording"> = {
  QueueEntered: "queue",
  NativeEntered: "queue",
  NativeLeft: "queue",
  QueueLeft: "queue",
  LegStarted: "leg",
  LegRinging: "leg",
  LegAnswered: "leg",
  LegJoined: "leg",
  LegLeft: "leg",
  LegHeld: "leg",
  LegResumed: "leg",
  LegEnded: "leg",
  RecordingStarted: "recording",
  RecordingPaused: "recording",
  RecordingResumed: "recording",
};

/** What goes on in the lane after this event, null for nothing. */
const STEPS: Record<string, Step> = {
  QueueEntered: () => "waiting",
  NativeEntered: () => "native",
  NativeLeft: () => "waiting",
  QueueLeft: () => null,
  LegStarted: (lane) => (lane.kind === "customer" ? "connected" : null),
  LegRinging: (lane) => (lane.kind === "customer" ? lane.open : "ringing"),
  LegAnswered: () => "connected",
  LegJoined: () => "talking",
  LegLeft: () => "connected",
  LegHeld: () => "hold",
  LegResumed: (lane) => (lane.joined ? "talking" : "connected"),
  LegEnded: () => null,
  RecordingStarted: () => "recording",
  RecordingPaused: () => "paused",
  RecordingResumed: () => "recording",
};

const ORDER: LaneKind[] = [
  "queue",
  "customer",
  "agent",
  "consult",
  "supervisor",
  "other",
  "recording",
];

function keyOf(item: TimelineItem): string {
  const place = LANE_OF[item.what];
  if (place === "queue") return `queue:${item.visit_id ?? item.queue ?? ""}`;
  return place === "recording" ? `recording:${item.recording_id ?? ""}` : `leg:${item.leg_id ?? ""}`;
}

function newLane(item: TimelineItem): OpenLane {
  const place = LANE_OF[item.what];
  const leg = (item.kind as LegKind | undefined) ?? "other";
  const kind: LaneKind = place === "leg" ? leg : (place ?? "other");
  const who = place === "leg" ? (item.agent_id ?? item.number ?? item.extension) : item.queue;
  const lane = { key: keyOf(item), kind, who: who ?? null, spans: [] };
  return { ...lane, open: null, since: item.at, joined: false };
}

function close(lane: OpenLane, at: number): void {
  if (lane.open !== null && at > lane.since) {
    lane.spans.push({ kind: lane.open, from: lane.since, to: at });
  }
}

function end(lane: OpenLane, at: number): void {
  close(lane, at);
  lane.open = null;
  lane.joined = false;
}

/**
 * @param items the call's events, oldest first.
 * @param until where spans end that have no end yet.
 */
export function lanesOf(items: readonly TimelineItem[], until: number): Lane[] {
  const lanes = new Map<string, OpenLane>();
  for (const item of items) {
    // Nothing is known of it from here on, unless it comes back and all is told anew.
    if (item.what === "CallHandedOver") lanes.forEach((lane) => end(lane, item.at));
    const step = STEPS[item.what];
    if (!step) continue;
    const key = keyOf(item);
    const lane = lanes.get(key) ?? newLane(item);
    lanes.set(key, lane);
    if (item.what === "LegJoined") lane.joined = true;
    if (item.what === "LegLeft") lane.joined = false;
    const next = step(lane, item);
    if (next === lane.open) continue;
    close(lane, item.at);
    lane.open = next;
    lane.since = item.at;
  }
  for (const lane of lanes.values()) close(lane, until);
  return [...lanes.values()]
    .filter((lane) => lane.spans.length > 0)
    .sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind))
    .map(({ key, kind, who, spans }) => ({ key, kind, who, spans }));
}

/** Between leaving a bridge and hanging up lie some milliseconds that nobody wants to see. */
const SEEN_SECONDS = 0.1;

/** The lanes as they are drawn: the recording's cut to what it holds, and no slivers. */
export function callLanes(items: readonly TimelineItem[], until: number): Lane[] {
  const heard = heardStretches(items, until);
  return lanesOf(items, until)
    .map((lane) => {
      const spans = lane.kind === "recording" ? clipped(lane.spans, heard) : lane.spans;
      return { ...lane, spans: spans.filter((span) => span.to - span.from >= SEEN_SECONDS) };
    })
    .filter((lane) => lane.spans.length > 0);
}

export interface Stretch {
  from: number;
  to: number;
}

/**
 * What the recording holds, in the order in which it holds it: Asterisk writes only while the
 * caller is connected to somebody, so waits and gaps between two agents are not in the file.
 */
export function heardStretches(items: readonly TimelineItem[], until: number): Stretch[] {
  const began = items.find((item) => item.what === "RecordingStarted")?.at;
  if (began === undefined) return [];
  return lanesOf(
    items.filter((item) => LANE_OF[item.what] === "leg"),
    until,
  )
    .filter((lane) => lane.kind === "customer")
    .flatMap((lane) => lane.spans)
    .filter((span) => (span.kind === "talking" || span.kind === "hold") && span.to > began)
    .map((span) => ({ from: Math.max(span.from, began), to: span.to }));
}

/** Seconds into the recording at which the moment is heard; between stretches: where the next begins. */
export function positionOf(stretches: readonly Stretch[], at: number): number {
  let position = 0;
  for (const { from, to } of stretches) {
    if (at < to) return position + Math.max(0, at - from);
    position += to - from;
  }
  return position;
}

/** The moment that is heard so many seconds into the recording. */
export function momentOf(stretches: readonly Stretch[], position: number): number {
  let left = position;
  for (const { from, to } of stretches) {
    if (left <= to - from) return from + left;
    left -= to - from;
  }
  return stretches.at(-1)?.to ?? 0;
}

/** The parts of the spans that lie in one of the stretches. */
export function clipped(spans: readonly Span[], stretches: readonly Stretch[]): Span[] {
  return spans.flatMap((span) =>
    stretches
      .map(({ from, to }) => ({ ...span, from: Math.max(span.from, from), to: Math.min(span.to, to) }))
      .filter((part) => part.to > part.from),
  );
}

/** Round marks for an axis of so many seconds: at most eight steps. */
export function ticksOf(seconds: number): number[] {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
  const step = steps.find((each) => seconds / each <= 8) ?? 7200;
  return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step);
}
