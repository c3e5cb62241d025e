/** Doing something that the server may refuse: busy while it runs, the problem beside the button. */
import { readonly, ref, shallowRef, type Ref } from "vue";

import { ApiError } from "@/api/http";
import type { Problem } from "@/api/types";

export interface Act {
  busy: Readonly<Ref<boolean>>;
  problem: Readonly<Ref<Readonly<Problem> | null>>;
  /** @returns whether it succeeded. A second run while busy is not started. */
  run(work: () => Promise<unknown>): Promise<boolean>;
  /** As `run`, but the latest that is wished for while busy runs next; nobody hears how it went. */
  runNext(work: () => Promise<unknown>): Promise<boolean>;
  clear(): void;
}

export function useAct(): Act {
  const busy = ref(false);
  const problem = shallowRef<Problem | null>(null);
  let waiting: (() => Promise<unknown>) | null = null;

  async function run(work: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false;
    busy.value = true;
    problem.value = null;
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      problem.value = error.problem;
      return false;
    } finally {
      busy.value = false;
      const next = waiting;
      waiting = null;
      if (next) void run(next);
    }
  }

  async function runNext(work: () => Promise<unknown>): Promise<boolean> {
    if (!busy.value) return run(work);
    waiting = work;
    return false;
  }

  return { busy: readonly(busy), problem, run, runNext, clear: () => (problem.value = null) };
}
