/** Alarms of one kind stand in one line, so that forty of them do not hide the floor. Pure. */
import type { AlarmRow } from "@/api/types";

export interface AlarmGroup {
  key: string;
  /** The newest: its words stand for all. */
  latest: AlarmRow;
  /** Since when the first of them stands, epoch seconds. */
  since: number;
  alarms: AlarmRow[];
}

function kindOf(alarm: AlarmRow): string {
  return [alarm.level, alarm.code, alarm.params.fault ?? "", alarm.params.queue ?? "", alarm.params.figure ?? ""].join(":");
}

/** Errors first, then the oldest first: a line keeps its place while its count grows. */
export function grouped(alarms: readonly AlarmRow[]): AlarmGroup[] {
  const groups = new Map<string, AlarmRow[]>();
  for (const alarm of [...alarms].sort((a, b) => a.since - b.since)) {
    groups.set(kindOf(alarm), [...(groups.get(kindOf(alarm)) ?? []), alarm]);
  }
  return [...groups]
    .map(([key, members]) => ({
      key,
      latest: members.at(-1) as AlarmRow,
      since: members[0]?.since ?? 0,
      alarms: members,
    }))
    .sort((a, b) =>
      a.latest.level === b.latest.level ? a.since - b.since : a.latest.level === "error" ? -1 : 1,
    );
}
