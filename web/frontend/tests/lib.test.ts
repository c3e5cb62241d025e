/** Counting, formatting, tables and keys: the small pure parts. */
import { describe, expect, it } from "vitest";

import { midnight, observeServerTime, OffsetEstimate, serverDate, steadyMs } from "@/lib/clock";
import { clockTime, dateTime, dayTime, duration, languageName, masked, maskedName, percent, phoneNumber, soFar, urgency } from "@/lib/format";
import { actionOf, CHORDS, chordLabel } from "@/lib/keys";
import { applyChanges, applySnapshot, makeTables } from "@/lib/tables";

describe("the server's clock", () => {
  it("trusts the stamp that was least late", () => {
    const estimate = new OffsetEstimate();
    estimate.observe(1000.0, 990.4); // 0.4 s under way
    estimate.observe(1001.0, 991.0); // at once
    estimate.observe(1002.0, 994.0); // two seconds under way
    expect(estimate.seconds).toBe(10);
  });

  it("forgets old stamps, so a clock that was set is followed", () => {
    const estimate = new OffsetEstimate();
    estimate.observe(1000, 0);
    for (let second = 0; second < 30; second++) estimate.observe(2000 + second, 1995 + second);
    expect(estimate.seconds).toBe(5);
  });
});

describe("figures", () => {
  it("counts no time of a call that may yet come", () => {
    expect([soFar(0, false), soFar(0, true), soFar(61, false)]).toEqual(["–", "0:00", "1:01"]);
  });

  it("shows spans as people read them", () => {
    expect([0, 59.9, 61, 3599, 3600, 36_061, -3].map(duration)).toEqual([
      "0:00",
      "0:59",
      "1:01",
      "59:59",
      "1:00:00",
      "10:01:01",
      "0:00",
    ]);
  });

  it("has a dash where there is no share yet", () => {
    expect([percent(null), percent(0), percent(0.855)]).toEqual(["–", "0%", "86%"]);
  });

  it("turns amber at the limit and red at twice the limit", () => {
    expect([19, 20, 39, 40].map((seconds) => urgency(seconds, 20))).toEqual([
      "calm",
      "warn",
      "warn",
      "over",
    ]);
    expect(urgency(999, null)).toBe("calm");
  });

  it("groups mainland mobiles and leaves all other numbers alone", () => {
    expect(phoneNumber("+8613800005678")).toBe("138 0000 5678");
    expect(phoneNumber("+86138****5678")).toBe("138 **** 5678");
    expect(phoneNumber("+442079460123")).toBe("+442079460123");
    expect(phoneNumber(null)).toBe("");
  });

  it("masks as the server does", () => {
    expect(["+8613800138000", "13800138000", "8001", "12"].map(masked)).toEqual([
      "+86138****8000",
      "138****8000",
      "**01",
      "**12",
    ]);
    expect(
      ["(0755) 1234-5678", "+86.138.0013.8000", "tel:13800138000", "138_0013_8000 王芳", "ICBC 95588"].map(maskedName),
    ).toEqual(["0755****5678", "+86138****8000", "tel:138****8000", "138****8000 王芳", "ICBC 95588"]);
  });

  it("names languages, and shows what the dialplan calls one as it is", () => {
    expect(["ja", "zh_CN", "x"].map((tag) => languageName(tag, "en"))).toEqual(["Japanese", "zh_CN", "x"]);
  });

  it("leaves today's date out", () => {
    const at = new Date(2026, 4, 6, 7, 8, 9).getTime() / 1000;
    expect(dateTime(at, "en", new Date(2026, 4, 6, 20))).toBe(clockTime(at, "en", true));
    expect(dateTime(at, "zh-CN", new Date(2026, 4, 7))).toContain("05");
  });
});

describe("live tables", () => {
  interface Tables {
    agents: { id: string; state: string };
  }

  it("keeps rows in their place when a snapshot or a change comes", () => {
    const tables = makeTables<Tables>(["agents"]);
    applySnapshot(tables, { agents: { b: { id: "b" }, a: { id: "a" }, c: { id: "c" } } });
    applyChanges(tables, { agents: { a: { id: "a", state: "ready" } } }, {});
    applySnapshot(tables, { agents: { d: { id: "d" }, a: { id: "a" }, b: { id: "b" } } });
    expect([...tables.agents.keys()]).toEqual(["b", "a", "d"]);
  });

  it("equals a fresh snapshot after changes", () => {
    const tables = makeTables<Tables>(["agents"]);
    applySnapshot(tables, { agents: { a: { id: "a" }, b: { id: "b" } } });
    applyChanges(tables, { agents: { c: { id: "c" } }, unknown: { x: {} } }, { agents: ["a"], more: ["y"] });
    expect(Object.fromEntries(tables.agents)).toEqual({ b: { id: "b" }, c: { id: "c" } });
  });
});

describe("keys", () => {
  const press = (chord: Partial<KeyboardEvent>): KeyboardEvent =>
    ({ altKey: false, ctrlKey: false, metaKey: false, shiftKey: false, target: null, ...chord }) as KeyboardEvent;

  it("finds the action by the place of the key, not by its letter", () => {
    expect(actionOf(press({ code: "KeyA", key: "å", altKey: true }))).toBe("answer");
    expect(actionOf(press({ code: "KeyA", key: "a" }))).toBeNull();
    expect(actionOf(press({ code: "Enter", metaKey: true }))).toBe("save");
    expect(actionOf(press({ code: "KeyA", altKey: true, shiftKey: true }))).toBeNull();
    expect(actionOf(press({ code: "Minus", key: "?", shiftKey: true }))).toBe("help"); // German
  });

  it("gives every action a chord of its own", () => {
    const labels = (Object.keys(CHORDS) as (keyof typeof CHORDS)[]).map(chordLabel);
    expect(new Set(labels).size).toBe(labels.length);
  });
});

describe("today", () => {
  it("is the server's, whatever the browser's clock says", () => {
    observeServerTime(steadyMs() / 1000 + 36 * 3600);
    const at = serverDate().getTime() / 1000;
    expect(dateTime(at, "en")).toBe(clockTime(at, "en", true));
    expect(dayTime(at, "en")).toBe(clockTime(at, "en"));
    expect(dayTime(Date.now() / 1000, "en")).not.toBe(clockTime(Date.now() / 1000, "en"));
    expect(new Date(midnight()).toDateString()).toBe(serverDate().toDateString());
    expect(new Date(midnight()).getHours()).toBe(0);
  });
});
