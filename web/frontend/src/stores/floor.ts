/** The floor's settings: queues, reasons, extensions and people, with their names in the language. */
import { defineStore } from "pinia";
import { computed, ref } from "vue";

import { call } from "@/api/http";
import type { AgentInfo, FloorInfo, QueueInfo, ReasonInfo } from "@/api/types";
import { hasWord, titleOf, word } from "@/i18n";

import { usePrefs } from "./prefs";

export const useFloor = defineStore("floor", () => {
  const prefs = usePrefs();
  const info = ref<FloorInfo | null>(null);
  const queues = computed(() => new Map(info.value?.queues.map((queue) => [queue.name, queue])));
  const reasons = computed(() => new Map(info.value?.reasons.map((each) => [each.code, each])));
  const agents = computed(() => new Map(info.value?.agents.map((agent) => [agent.id, agent])));

  async function load(): Promise<void> {
    info.value = await call<FloorInfo>("GET", "/floor");
  }

  function queue(name: string | null): QueueInfo | undefined {
    return name === null ? undefined : queues.value.get(name);
  }

  function queueTitle(name: string | null): string {
    return name === null ? "" : titleOf(queue(name)?.title, prefs.language, name);
  }

  function reason(code: string | null): ReasonInfo | undefined {
    return code === null ? undefined : reasons.value.get(code);
  }

  /** The reason's title; those that only the server sets have words of ours. */
  function reasonTitle(code: string | null): string {
    if (code === null) return "";
    const known = reason(code);
    if (known) return titleOf(known.title, prefs.language, code);
    return hasWord(`state.${code}`) ? word(`state.${code}`) : code;
  }

  function agent(id: string | null): AgentInfo | undefined {
    return id === null ? undefined : agents.value.get(id);
  }

  function agentName(id: string | null): string {
    return id === null ? "" : (agent(id)?.name ?? id);
  }

  function dispositionTitle(code: string): string {
    return hasWord(`outcome.codes.${code}`) ? word(`outcome.codes.${code}`) : code;
  }

  return {
    info,
    load,
    queue,
    queueTitle,
    reason,
    reasonTitle,
    agent,
    agentName,
    dispositionTitle,
  };
});
