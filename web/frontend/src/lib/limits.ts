/** A queue's figures against its limits, by the rules by which the server raises alarms. Pure. */
import type { FloorQueueRow, Limit, QueueLimits } from "@/api/types";

import type { Urgency } from "./format";

/** Of fewer callers a service level says nothing. */
export const JUDGED_AT_LEAST = 5;

function above(value: number, limit: Limit | undefined): Urgency {
  if (limit?.alarm != null && value >= limit.alarm) return "over";
  return limit?.warn != null && value >= limit.warn ? "warn" : "calm";
}

function below(value: number, limit: Limit | undefined): Urgency {
  if (limit?.alarm != null && value < limit.alarm) return "over";
  return limit?.warn != null && value < limit.warn ? "warn" : "calm";
}

export function waitingTone(row: FloorQueueRow, limits: QueueLimits | undefined): Urgency {
  const tone = above(row.waiting, limits?.waiting);
  // Callers whom nobody can take are worth a look, however few they are.
  return tone === "calm" && row.waiting > 0 && row.ready === 0 ? "warn" : tone;
}

export function waitTone(since: number | null, now: number, limits: QueueLimits | undefined): Urgency {
  return since === null ? "calm" : above(now - since, limits?.longest_wait_seconds);
}

/** @param judged of how many callers the level is. */
export function levelTone(
  level: number | null,
  judged: number,
  limits: QueueLimits | undefined,
): Urgency {
  if (level === null || judged < JUDGED_AT_LEAST) return "calm";
  return below(level, limits?.service_level);
}

const ORDER: Urgency[] = ["calm", "warn", "over"];

export function worst(tones: Urgency[]): Urgency {
  return ORDER[Math.max(0, ...tones.map((tone) => ORDER.indexOf(tone)))] ?? "calm";
}

/** How the queue is as a whole. */
export function queueTone(
  row: FloorQueueRow,
  now: number,
  limits: QueueLimits | undefined,
): Urgency {
  return worst([
    waitingTone(row, limits),
    waitTone(row.oldest_since, now, limits),
    levelTone(row.service_level_now, row.judged_now, limits),
  ]);
}
