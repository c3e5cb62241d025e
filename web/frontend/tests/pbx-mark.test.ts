/** How late Asterisk's events are stands on the live page, once it is worth saying. */
import { describe, expect, it } from "vitest";
import { createSSRApp } from "vue";
import { renderToString } from "vue/server-renderer";

import type { LinkRow } from "@/api/types";
import { i18n } from "@/i18n";
import PbxMark from "@/parts/PbxMark.vue";

const ready: LinkRow = {
  pbx: "ready",
  since: 1_790_000_000,
  lag_seconds: null,
  database: "up",
  journal_behind: 0,
};

async function shown(change: Partial<LinkRow>, language: "en" | "zh-CN" = "en"): Promise<string> {
  i18n.global.locale.value = language;
  return renderToString(createSSRApp(PbxMark, { link: { ...ready, ...change } }).use(i18n));
}

describe("the mark of the link", () => {
  it.each([
    ["en", "1235 ms behind"],
    ["zh-CN", "延迟 1235 毫秒"],
  ] as const)("shows the lag in milliseconds (%s)", async (language, words) => {
    expect(await shown({ lag_seconds: 1.2346 }, language)).toContain(words);
  });

  it.each([null, 0, 0.5])("says nothing of a lag that nobody notices (%s)", async (seconds) => {
    const marks = await shown({ lag_seconds: seconds });
    expect(marks).toContain("Asterisk connected");
    expect(marks).not.toContain("behind");
  });
});
