/** Whether the desk is in this tab: only here the phone registers and the server is told one is there. */
import { defineStore } from "pinia";
import { ref, watch } from "vue";

import { OneTab, type TabState } from "@/lib/onetab";

import { usePhone } from "./phone";

export const useTab = defineStore("tab", () => {
  const phone = usePhone();
  const state = ref<TabState>("asking");
  /** Taking over was refused: a call is in hand there. */
  const callElsewhere = ref(false);
  let tab: OneTab | null = null;

  function open(agentId: string): void {
    close();
    tab = new OneTab(`zuoxi.desk.${agentId}`, (next) => {
      state.value = next;
      callElsewhere.value = false;
    });
    tab.open();
  }

  function close(): void {
    tab?.close();
    tab = null;
    state.value = "asking";
  }

  async function takeOver(): Promise<void> {
    callElsewhere.value = tab !== null && !(await tab.takeOver());
  }

  watch(
    () => phone.call !== null,
    (inCall) => tab?.setInCall(inCall),
  );

  return { state, callElsewhere, open, close, takeOver };
});
