/** Words on the screens. English gives the shape; a missing Chinese word fails the type check. */
import { createI18n } from "vue-i18n";

import type { Language, Titles } from "@/api/types";

import en from "./en";
import zhCN from "./zh-CN";

export const LANGUAGES: readonly Language[] = ["zh-CN", "en"];

export const i18n = createI18n({
  legacy: false,
  locale: "zh-CN",
  fallbackLocale: "en",
  messages: { "zh-CN": zhCN, en },
});

/** A word outside of components. */
export function word(key: string, params: Record<string, unknown> = {}): string {
  return i18n.global.t(key, params);
}

/** Whether the screens have a word for this key. */
export function hasWord(key: string): boolean {
  return i18n.global.te(key) || i18n.global.te(key, "en");
}

/** The title that the settings give a queue or reason in this language, else any, else the name. */
export function titleOf(titles: Titles | undefined, language: string, name: string): string {
  return titles?.[language] ?? titles?.["zh-CN"] ?? titles?.en ?? name;
}

/** A language of ours from a tag such as "zh-Hans" or "en-GB". */
export function languageOf(tag: string | null | undefined): Language {
  return tag?.toLowerCase().startsWith("en") ? "en" : "zh-CN";
}
