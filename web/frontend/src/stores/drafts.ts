/**
 * What the agent typed about each call, until the server has it. Kept in this browser at every
 * key, so neither the next pop nor a reload loses it.
 */
import { defineStore } from "pinia";
import { computed, reactive, ref } from "vue";

import { readJson, writeText } from "@/lib/storage";

export interface Draft {
  callId: string;
  /** Who it was about, for the list of what is not saved yet. */
  label: string;
  queue: string | null;
  startedAt: number;
  code: string | null;
  notes: string;
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
    kept.value = writeText(storageKey, JSON.stringify([...drafts.values()].filter(isUnsaved)));
  }

  function isUnsaved(draft: Draft): boolean {
    return draft.savedAt === null && (draft.notes.trim() !== "" || draft.code !== null);
  }

  /** The draft of this call, begun when there is none. */
  function of(call: { callId: string; label: string; queue: string | null; startedAt: number }): Draft {
    const known = drafts.get(call.callId);
    if (known) return known;
    drafts.set(call.callId, { ...call, code: null, notes: "", savedAt: null });
    return drafts.get(call.callId) as Draft;
  }

  function write(callId: string, change: Partial<Pick<Draft, "code" | "notes">>): void {
    const draft = drafts.get(callId);
    if (!draft) return;
    Object.assign(draft, change, { savedAt: null });
    keep();
  }

  function saved(callId: string, at: number): void {
    const draft = drafts.get(callId);
    if (draft) draft.savedAt = at;
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

  const unsaved = computed(() => [...drafts.values()].filter(isUnsaved));

  return { drafts, kept, unsaved, open, of, write, saved, discard };
});
