/** Counted words: one of them is not many. */
import { expect, it } from "vitest";

import { i18n } from "@/i18n";

const KEYS = ["customers.rows", "customers.mapping_lead", "customers.import_start", "wall.more_alarms", "live.gap_bounded", "live.gap_ends", "live.calls_today", "link.database_away"];

it.each(KEYS)("counts in both languages (%s)", (key) => {
  const said = (language: "en" | "zh-CN", count: number): string => {
    i18n.global.locale.value = language;
    return i18n.global.t(key, count);
  };
  const [one, many] = [said("en", 1), said("en", 2000)];
  expect(one).not.toMatch(/\d+ (more )?[a-z]+s\b/);
  expect(many).toMatch(/2000 (more )?[a-z]+s\b/);
  expect(said("en", 0)).toMatch(/0 (more )?[a-z]+s\b/);
  expect([said("zh-CN", 1), said("zh-CN", 2000)].map((words) => /1|2000/.exec(words)?.[0])).toEqual(["1", "2000"]);
});
