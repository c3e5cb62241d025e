/** What the agent typed into a customer's card is never lost by the next pop or a reload. */
import { createPinia, setActivePinia } from "pinia";
import { beforeEach, describe, expect, it, vi } from "vitest";

import { serverNow } from "@/lib/clock";
import { useKeptForm } from "@/parts/keptForm";
import { useForms, type FormPlace } from "@/stores/forms";

const kept = new Map<string, string>();
let full = false;
let hear: (event: { key: string; newValue: string; oldValue: string | null }) => void;
const NOW = 1_790_000_000;
const place = (callId: string): FormPlace => ({
  kind: "new",
  callId,
  customerId: null,
  label: `caller of ${callId}`,
});

beforeEach(() => {
  kept.clear();
  full = false;
  vi.stubGlobal("window", { addEventListener: (_name: string, listener: typeof hear) => (hear = listener) });
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => {
      if (full) throw new DOMException("full", "QuotaExceededError");
      kept.set(key, value);
    },
    removeItem: (key: string) => kept.delete(key),
  });
});

function reload(user = "fang", now = NOW) {
  setActivePinia(createPinia());
  const forms = useForms();
  forms.open(user, now);
  return forms;
}

describe("forms", () => {
  it("keep half a customer of each call over the next call and a reload", () => {
    const forms = reload();
    forms.write(place("a"), { name: "Ouy" }, NOW);
    forms.write(place("b"), { name: "Li" }, NOW);
    const back = reload();
    expect(back.of(place("a"))?.typed).toEqual({ name: "Ouy" });
    expect(back.unsaved.map((form) => form.label)).toEqual(["caller of a", "caller of b"]);
  });

  it("keep what stood there when it was typed over, to tell another's change", () => {
    const details = { ...place("a"), kind: "details" as const, customerId: "7" };
    reload().write(details, { level: "B" }, NOW, { level: "A" });
    expect(reload().of(details)).toMatchObject({ typed: { level: "B" }, base: { level: "A" } });
  });

  it("are forgotten when nothing is typed any more, and when they were saved", () => {
    const forms = reload();
    forms.write(place("a"), { name: "O" }, NOW);
    forms.write(place("a"), {}, NOW);
    expect(reload().unsaved).toEqual([]);
  });

  it("keep what was typed while the rest was being saved", () => {
    const details = { ...place("a"), kind: "details" as const, customerId: "7" };
    const forms = reload();
    forms.write(details, { level: "B", name: "Li", tags: ["x"] }, NOW, { level: "A", name: "", tags: [] });
    const sent = forms.of(details)?.typed ?? {};
    forms.write(details, { level: "B", name: "Li Wei", tags: ["x"] }, NOW, { level: "A", name: "" });
    forms.settle(details, sent, NOW, (key) => `now ${key}`);
    expect(forms.of(details)).toMatchObject({ typed: { name: "Li Wei" }, base: { name: "now name" } });
    forms.settle(details, { name: "Li Wei" }, NOW, () => null);
    expect(reload().unsaved).toEqual([]);
  });

  it("of two tabs do not overwrite each other", () => {
    const here = reload();
    here.write(place("a"), { name: "O" }, NOW);
    const there = reload();
    here.write(place("a"), { name: "Ouyang" }, NOW);
    there.write(place("b"), { name: "Li" }, NOW);
    expect(reload().unsaved.map((form) => form.typed.name)).toEqual(["Ouyang", "Li"]);
    here.write(place("a"), {}, NOW);
    there.write(place("b"), { name: "Li Wei" }, NOW);
    expect(reload().unsaved.map((form) => form.typed.name)).toEqual(["Li Wei"]);
  });

  it("follow what another tab types, saves and discards", () => {
    const forms = reload();
    forms.write(place("a"), { name: "O" }, NOW);
    const before = kept.get("zuoxi.forms.fang") ?? "";
    const other = { ...place("b"), key: "new|b|", at: NOW, typed: { name: "Li" }, base: {} };
    hear({ key: "zuoxi.forms.qiang", newValue: "[]", oldValue: before });
    expect(forms.unsaved).toHaveLength(1);
    hear({ key: "zuoxi.forms.fang", newValue: JSON.stringify([other]), oldValue: before });
    expect(forms.unsaved.map((form) => form.typed.name)).toEqual(["Li"]);
  });

  it("come back when discarding is taken back", () => {
    const forms = reload();
    forms.write(place("a"), { name: "O" }, NOW);
    const takeBack = forms.discard(forms.unsaved[0]?.key ?? "");
    expect(reload().unsaved).toEqual([]);
    takeBack();
    expect(reload().unsaved).toHaveLength(1);
  });

  it("are one's own, and a day old at most", () => {
    reload().write(place("a"), { name: "O" }, NOW);
    expect(reload("qiang").unsaved).toEqual([]);
    expect(reload("fang", NOW + 25 * 3600).unsaved).toEqual([]);
    expect(kept.get("zuoxi.forms.fang")).toBe("[]");
  });

  it("survive rubbish in the storage, and say when nothing can be kept", () => {
    kept.set("zuoxi.forms.fang", '[{"key": 1}, null, "x"]');
    const forms = reload();
    expect(forms.unsaved).toEqual([]);
    full = true;
    forms.write(place("a"), { name: "O" }, NOW);
    expect(forms.kept).toBe(false);
    expect(forms.of(place("a"))?.typed).toEqual({ name: "O" });
    full = false;
    forms.write(place("b"), { name: "Li" }, NOW);
    expect(reload().unsaved).toHaveLength(2);
  });
});

describe("a small form", () => {
  const about: FormPlace = { kind: "call_back", callId: null, customerId: "7", label: "Ouyang" };
  const shown = () => {
    const form = useKeptForm<{ due_at: number | null; text: string }>(() => about);
    return { form, dueAt: form.field("due_at", null), text: form.field("text", "") };
  };

  it("is open as it was left when its page is back, and after a reload", () => {
    reload("fang", serverNow());
    const first = shown();
    expect(first.form.open.value).toBe(false);
    first.form.begin({ due_at: 5, text: "" });
    first.text.value = "about the inv";
    for (const again of [shown, () => (reload("fang", serverNow()), shown())]) {
      const { form, dueAt, text } = again();
      expect([form.open.value, dueAt.value, text.value]).toEqual([true, 5, "about the inv"]);
    }
  });

  it("is forgotten when it was saved or given up; a late key opens none", () => {
    reload("fang", serverNow());
    const { form, text } = shown();
    form.begin({ due_at: 5, text: "x" });
    form.shut();
    text.value = "late";
    expect([form.open.value, text.value, useForms().unsaved]).toEqual([false, "", []]);
  });
});
