/** An agent's working day: how much of it went where. */
import type { AgentState, MeRow } from "@/api/types";

export type DayPart = "ready" | "talking" | "wrap_up" | "not_ready";

export interface Spent {
  part: DayPart;
  seconds: number;
  /** Of all the time at work, 0..1; 0 while there was none. */
  share: number;
}

const PARTS: Record<DayPart, readonly AgentState[]> = {
  ready: ["ready", "offered"],
  talking: ["talking"],
  wrap_up: ["wrap_up"],
  not_ready: ["not_ready"],
};

/** The day by now, the present state's time included. @param now epoch seconds of the server. */
export function spentToday(me: Pick<MeRow, "state" | "since" | "today">, now: number): Spent[] {
  const running = Math.max(0, now - Math.max(me.since, me.today.began_at));
  const parts = (Object.keys(PARTS) as DayPart[]).map((part) => ({
    part,
    seconds: PARTS[part].reduce(
      (sum, state) => sum + (me.today.spent[state] ?? 0) + (me.state === state ? running : 0),
      0,
    ),
  }));
  const all = parts.reduce((sum, { seconds }) => sum + seconds, 0);
  return parts.map((each) => ({ ...each, share: all === 0 ? 0 : each.seconds / all }));
}
