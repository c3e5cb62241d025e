/**
 * What the agent typed about each call. Kept in this browser at every key, so neither the next pop
 * nor a reload loses it; what the server has stays too: it is shown, and saved again with the rest.
 */
import { defineStore } from "pinia";
import { computed, reactive, ref } from "vue";

import { readJson, writeText } from "@/lib/storage";

/** A call-back to be made with the outcome. */
export interface CallBack {
  /** null until the caller's card says who it is. */
  customer_id: string | null;
  due_at: number;
  text: string;
  /** Once the server has it. */
  appointment_id: string | null;
  /** The server may have it already, maybe with another time or text. */
  unsure?: boolean;
}

export interface Draft {
  callId: string;
  /** Who it was about, for the list of what is not saved yet. */
  label: string;
  queue: string | null;
  startedAt: number;
  code: string | null;
  notes: string;
  callBack?: CallBack | null;
  savedAt: number | null;
}

const KEPT_SECONDS = 24 * 3600;

function isDraft(value: unknown): value is Draft {
  const draft = value as Partial<Draft> | null;
  return typeof draft?.callId === "string" && typeof draft.notes === "string";
}

export const useDrafts = defineStore("drafts", () => {
  const drafts = reactive(new Map<string, Draft>());
  const kept = ref(true);
  let storageKey = "drafts";

  /** Read what this agent left in this browser. */
  function open(agentId: string, now: number): void {
    storageKey = `drafts.${agentId}`;
    drafts.clear();
    const stored = readJson(storageKey);
    if (!Array.isArray(stored)) return;
    for (const draft of stored.filter(isDraft)) {
      if (now - draft.startedAt < KEPT_SECONDS) drafts.set(draft.callId, draft);
    }
  }

  function keep(): void {
    kept.value = writeText(storageKey, JSON.stringify([...drafts.values()].filter(isTyped)));
  }

  const isTyped = (draft: Draft): boolean =>
    draft.notes.trim() !== "" || draft.code !== null || draft.callBack != null;

  /** The draft of this call, begun when there is none. */
  function of(call: { callId: string; label: string; queue: string | null; startedAt: number }): Draft {
    const known = drafts.get(call.callId);
    if (known) return known;
    drafts.set(call.callId, { ...call, code: null, notes: "", savedAt: null });
    return drafts.get(call.callId) as Draft;
  }

  function write(callId: string, change: Partial<Pick<Draft, "code" | "notes" | "callBack">>): void {
    const draft = drafts.get(callId);
    if (!draft) return;
    Object.assign(draft, change, { savedAt: null });
    keep();
  }

  /** The server has this much; what was typed since is not saved. */
  function saved(sent: Pick<Draft, "callId" | "code" | "notes">, at: number): void {
    const draft = drafts.get(sent.callId);
    const whole = draft?.code === sent.code && draft.notes === sent.notes;
    if (whole && draft.callBack?.appointment_id !== null) draft.savedAt = at;
    keep();
  }

  /** Forget a call's draft. @returns how to take that back. */
  function discard(callId: string): () => void {
    const draft = drafts.get(callId);
    drafts.delete(callId);
    keep();
    return () => {
      if (draft) drafts.set(callId, draft);
      keep();
    };
  }

  const unsaved = computed(() => [...drafts.values()].filter((draft) => draft.savedAt === null && isTyped(draft)));

  return { drafts, kept, unsaved, open, of, write, saved, discard };
});
