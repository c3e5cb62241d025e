/** What a person prefers on this machine: language and theme. Both switch at once. */
import { usePreferredDark } from "@/lib/media";
import { defineStore } from "pinia";
import { computed, ref, watchEffect } from "vue";

import { callAs } from "@/api/http";
import type { Language } from "@/api/types";
import { i18n, languageOf, word } from "@/i18n";
import { readText, writeText } from "@/lib/storage";

export type ThemeChoice = "system" | "light" | "dark";

export const usePrefs = defineStore("prefs", () => {
  const language = ref<Language>(languageOf(readText("language") ?? navigator.language));
  const theme = ref<ThemeChoice>((readText("theme") as ThemeChoice | null) ?? "system");
  const systemDark = usePreferredDark();
  /** What a page asks for while it stands: the wallboard is dark wherever it hangs. */
  const forced = ref<"light" | "dark" | null>(null);
  const chosen = computed(() => forced.value ?? theme.value);
  const dark = computed(() => (chosen.value === "system" ? systemDark.value : chosen.value === "dark"));

  function force(wanted: "light" | "dark" | null): void {
    forced.value = wanted;
  }

  function setLanguage(wanted: Language): void {
    language.value = wanted;
    writeText("language", wanted);
  }

  function toggleTheme(): void {
    theme.value = dark.value ? "light" : "dark";
    writeText("theme", theme.value);
  }

  /** Keeps the document, the words and the requests in step with the preferences. */
  function apply(): void {
    watchEffect(() => {
      i18n.global.locale.value = language.value;
      document.documentElement.lang = language.value;
      document.title = word("app.name");
      callAs({ language: language.value });
    });
    watchEffect(() => {
      document.documentElement.dataset.theme = dark.value ? "dark" : "light";
    });
  }

  return { language, dark, setLanguage, toggleTheme, force, apply };
});
