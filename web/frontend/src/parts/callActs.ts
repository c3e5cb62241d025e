/** What one does with a call: each thing waits for itself alone, and no slow server for the hang-up. */
import { computed, type ComputedRef } from "vue";

import type { Problem } from "@/api/types";
import { useAct, type Act } from "@/lib/act";
import { useDesk } from "@/stores/desk";

export interface CallActs {
  answer(): Promise<boolean>;
  reject(): Promise<boolean>;
  hangUp(): Promise<boolean>;
  /** Reject what is offered, else hang up. */
  end(): Promise<boolean>;
  toggleRecording(): Promise<boolean>;
  /** What was refused. */
  problem: ComputedRef<Readonly<Problem> | null>;
  clear(): void;
}

export function useCallActs(): CallActs {
  const desk = useDesk();
  const acts = { answer: useAct(), reject: useAct(), hangUp: useAct(), recording: useAct() };
  const clear = (): void => Object.values(acts).forEach((act) => act.clear());
  const run = (act: Act, work: () => Promise<void>): Promise<boolean> => {
    clear();
    return act.run(work);
  };
  const reject = (): Promise<boolean> => run(acts.reject, desk.reject);
  const hangUp = (): Promise<boolean> => run(acts.hangUp, desk.hangUp);
  return {
    answer: () => run(acts.answer, desk.answer),
    reject,
    hangUp,
    end: () => (desk.stage === "offered" ? reject() : hangUp()),
    toggleRecording: () => run(acts.recording, desk.switchRecording),
    problem: computed(
      () => Object.values(acts).find((act) => act.problem.value !== null)?.problem.value ?? null,
    ),
    clear,
  };
}
