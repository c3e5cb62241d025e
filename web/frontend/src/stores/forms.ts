/**
 * What was typed into a customer's card, until the server has it: a new customer, changed details,
 * a note, a call-back, a reason to refuse the caller. Kept in this browser at every key as drafts.ts keeps outcomes, so neither the next pop
 * nor a reload loses it.
 */
import { defineStore } from "pinia";
import { computed, reactive, ref } from "vue";

import type { Typed } from "@/lib/customers";
import { onOtherTab, readJson, writeText } from "@/lib/storage";

export type FormKind = "new" | "details" | "note" | "call_back" | "blacklist";

/** Where a form belongs: to a call, to a customer, or to both. */
export interface FormPlace {
  kind: FormKind;
  callId: string | null;
  customerId: string | null;
  /** Who it is about, for the list of what is not saved yet. */
  label: string;
}

export interface TypedForm extends FormPlace {
  key: string;
  at: number;
  typed: Typed;
  /** What stood there when each key was first typed over: tells another's change from one's own. */
  base: Typed;
}

const KEPT_SECONDS = 24 * 3600;

export function formKey(place: Omit<FormPlace, "label">): string {
  return [place.kind, place.callId ?? "", place.customerId ?? ""].join("|");
}

function isForm(value: unknown): value is TypedForm {
  const form = value as Partial<TypedForm> | null;
  return (
    typeof form?.key === "string" &&
    typeof form.at === "number" &&
    typeof form.typed === "object" &&
    form.typed !== null &&
    typeof form.base === "object" &&
    form.base !== null
  );
}

function formsIn(stored: unknown): TypedForm[] {
  return Array.isArray(stored) ? stored.filter(isForm) : [];
}

export const useForms = defineStore("forms", () => {
  const forms = reactive(new Map<string, TypedForm>());
  const kept = ref(true);
  let storageKey: string | null = null;
  /** What the browser had no room for: tried again with the next. */
  const unkept = new Set<string>();

  /** Read what this person left in this browser; a second time for the same person changes nothing. */
  function open(user: string, now: number): void {
    const wanted = `forms.${user}`;
    if (wanted === storageKey) return;
    storageKey = wanted;
    forms.clear();
    unkept.clear();
    const stored = formsIn(readJson(wanted));
    for (const form of stored) if (now - form.at < KEPT_SECONDS) forms.set(form.key, form);
    if (forms.size < stored.length) writeText(wanted, JSON.stringify([...forms.values()]));
  }

  /** Keep this form, or that there is none: what other tabs keep of others stays as it is. */
  function keep(key: string): void {
    if (storageKey === null) return;
    const all = new Map(formsIn(readJson(storageKey)).map((form) => [form.key, form]));
    for (const each of unkept.add(key)) {
      const form = forms.get(each);
      if (form) all.set(each, form);
      else all.delete(each);
    }
    kept.value = writeText(storageKey, JSON.stringify([...all.values()]));
    if (kept.value) unkept.clear();
  }

  onOtherTab((key, now, before) => {
    if (key !== storageKey) return;
    const present = formsIn(now);
    const gone = new Set(formsIn(before).map((form) => form.key));
    for (const form of present) {
      gone.delete(form.key);
      forms.set(form.key, form);
    }
    for (const each of gone) forms.delete(each);
  });

  function of(place: Omit<FormPlace, "label">): TypedForm | null {
    return forms.get(formKey(place)) ?? null;
  }

  /** Keep what is typed there now; nothing typed forgets it. */
  function write(place: FormPlace, typed: Typed, now: number, base: Typed = {}): void {
    const key = formKey(place);
    if (Object.keys(typed).length === 0) forms.delete(key);
    else forms.set(key, { ...place, key, at: forms.get(key)?.at ?? now, typed, base });
    keep(key);
  }

  /**
   * The server has what was sent: forget that much, not what was typed over it since.
   * @param base what stands there now, for what stays
   */
  function settle(place: FormPlace, sent: Typed, now: number, base: (key: string) => unknown): void {
    const since = Object.entries(of(place)?.typed ?? {}).filter(
      ([key, value]) => JSON.stringify(value) !== JSON.stringify(sent[key]),
    );
    write(place, Object.fromEntries(since), now, Object.fromEntries(since.map(([key]) => [key, base(key)])));
  }

  /** Forget a form. @returns how to take that back. */
  function discard(key: string): () => void {
    const form = forms.get(key);
    forms.delete(key);
    keep(key);
    return () => {
      if (form) forms.set(key, form);
      keep(key);
    };
  }

  const unsaved = computed(() => [...forms.values()]);

  return { forms, kept, unsaved, open, of, write, settle, discard };
});
