/** Alarms of one kind stand in one line. */
import { describe, expect, it } from "vitest";

import type { AlarmRow } from "@/api/types";
import { grouped } from "@/lib/alarms";

const alarm = (key: string, since: number, change: Partial<AlarmRow> = {}): AlarmRow => ({
  key,
  level: "error",
  code: "recording_faulty",
  since,
  params: { call_id: key, fault: "missing" },
  ...change,
});

describe("alarms", () => {
  it("puts those of one kind and fault into one line with the first's age", () => {
    const silent = { params: { call_id: "c", fault: "silent" } };
    const groups = grouped([alarm("b", 20), alarm("a", 10), alarm("c", 5, silent)]);
    expect(groups.map((group) => [group.latest.key, group.since, group.alarms.length])).toEqual([
      ["c", 5, 1],
      ["b", 10, 2],
    ]);
  });

  it("puts errors over warnings, however old", () => {
    const groups = grouped([
      alarm("w", 1, { level: "warning", code: "pbx_lag", params: {} }),
      alarm("e", 99, { code: "pbx_disconnected", params: {} }),
    ]);
    expect(groups.map((group) => group.latest.key)).toEqual(["e", "w"]);
  });

  it("keeps a line's place when another alarm of its kind comes", () => {
    const before = [alarm("a", 10), alarm("x", 20, { code: "database_away", params: {} })];
    const after = [...before, alarm("b", 30)];
    expect(grouped(after).map((group) => group.key)).toEqual(grouped(before).map((group) => group.key));
  });
});
