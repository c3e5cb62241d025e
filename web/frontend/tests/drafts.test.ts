/** What the agent typed is never lost: not by the next call, a reload or a refusal. */
import { createPinia, setActivePinia } from "pinia";
import { beforeEach, describe, expect, it, vi } from "vitest";

import { useDrafts } from "@/stores/drafts";

const kept = new Map<string, string>();
let full = false;

const NOW = 1_790_000_000;
const call = (callId: string, startedAt = NOW) => ({
  callId,
  label: `caller of ${callId}`,
  queue: "support",
  startedAt,
});

beforeEach(() => {
  kept.clear();
  full = false;
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => {
      if (full) throw new DOMException("full", "QuotaExceededError");
      kept.set(key, value);
    },
    removeItem: (key: string) => kept.delete(key),
  });
  setActivePinia(createPinia());
});

function reload() {
  setActivePinia(createPinia());
  const drafts = useDrafts();
  drafts.open("1001", NOW);
  return drafts;
}

describe("drafts", () => {
  it("keeps the notes of a call over the next call and a reload", () => {
    const drafts = reload();
    drafts.of(call("a"));
    drafts.write("a", { notes: "refund of 68" });
    drafts.of(call("b"));
    drafts.write("b", { notes: "second" });
    expect(reload().unsaved.map((draft) => draft.notes)).toEqual(["refund of 68", "second"]);
  });

  it("lists nothing that was saved, but lists it again when it is changed", () => {
    const drafts = reload();
    drafts.of(call("a"));
    drafts.write("a", { code: "resolved" });
    drafts.saved({ callId: "a", code: "resolved", notes: "" }, NOW);
    expect(drafts.unsaved).toEqual([]);
    drafts.write("a", { notes: "one more thing" });
    expect(drafts.unsaved).toHaveLength(1);
  });

  it("knows after a reload what was saved in the call, for the saving that ends the wrap-up", () => {
    const drafts = reload();
    drafts.of(call("a"));
    drafts.write("a", { code: "resolved", notes: "refund of 68" });
    drafts.saved({ callId: "a", code: "resolved", notes: "refund of 68" }, NOW);
    const back = reload();
    expect(back.unsaved).toEqual([]);
    expect(back.of(call("a"))).toMatchObject({ code: "resolved", notes: "refund of 68", savedAt: NOW });
  });

  it("does not take for saved what was typed while the saving was under way", () => {
    const drafts = reload();
    drafts.of(call("a"));
    drafts.write("a", { code: "resolved", notes: "refund of 68 and" });
    drafts.saved({ callId: "a", code: "resolved", notes: "refund of 68" }, NOW);
    expect(drafts.unsaved.map((draft) => draft.notes)).toEqual(["refund of 68 and"]);
  });

  it("does not list calls about which nothing was written", () => {
    const drafts = reload();
    drafts.of(call("a"));
    expect(drafts.unsaved).toEqual([]);
  });

  it("keeps what was begun when the same call comes up again", () => {
    const drafts = reload();
    drafts.of(call("a"));
    drafts.write("a", { notes: "begun" });
    expect(drafts.of(call("a")).notes).toBe("begun");
  });

  it("takes a discard back", () => {
    const drafts = reload();
    drafts.of(call("a"));
    drafts.write("a", { notes: "typed" });
    const undo = drafts.discard("a");
    expect(reload().unsaved).toEqual([]);
    undo();
    expect(drafts.unsaved).toHaveLength(1);
  });

  it("says so when the browser cannot keep them", () => {
    const drafts = reload();
    drafts.of(call("a"));
    full = true;
    drafts.write("a", { notes: "typed" });
    expect(drafts.kept).toBe(false);
    expect(drafts.drafts.get("a")?.notes).toBe("typed");
  });

  it("reads only what is a draft, and nothing older than a day", () => {
    kept.set(
      "zuoxi.drafts.1001",
      JSON.stringify([{ evil: 1 }, null, { ...call("old", NOW - 90_000), notes: "x", code: null, savedAt: null }]),
    );
    expect(reload().drafts.size).toBe(0);
    kept.set("zuoxi.drafts.1001", "not json");
    expect(reload().drafts.size).toBe(0);
  });

  it("keeps each agent's drafts apart", () => {
    const drafts = reload();
    drafts.of(call("a"));
    drafts.write("a", { notes: "mine" });
    drafts.open("1002", NOW);
    expect(drafts.unsaved).toEqual([]);
  });
});
