/** What an alarm says, in the language of the screen. */
import type { AlarmRow } from "@/api/types";
import { hasWord, word } from "@/i18n";

import { duration, percent } from "./format";

function limitText(figure: unknown, limit: number): string {
  if (figure === "longest_wait") return duration(limit);
  return figure === "service_level" ? percent(limit) : String(limit);
}

/** @param queueTitle a queue's name on screens. */
export function alarmWords(alarm: AlarmRow, queueTitle: (name: string) => string): string {
  const { code, params } = alarm;
  if (!hasWord(`alarm.${code}`)) return code;
  if (code === "queue_over_threshold") {
    const limit = limitText(params.figure, Number(params.limit));
    const what = word(`alarm.over.${params.figure}`, { limit });
    return word(`alarm.${code}`, { queue: queueTitle(String(params.queue)), what });
  }
  const fault = `detail.said.${params.fault}`;
  return word(`alarm.${code}`, { ...params, ...(hasWord(fault) ? { fault: word(fault) } : {}) });
}
