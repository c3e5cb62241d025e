/** Who is signed in to the application. */
import { defineStore } from "pinia";
import { computed, ref } from "vue";

import { ApiError, call, callAs } from "@/api/http";
import type { Language, Me, Right } from "@/api/types";
import { languageOf } from "@/i18n";
import { readText } from "@/lib/storage";

import { usePrefs } from "./prefs";

export const useSession = defineStore("session", () => {
  const me = ref<Me | null>(null);
  const loaded = ref(false);
  /** The server ended the session while the person worked. */
  const ended = ref(false);
  const rights = computed(() => new Set<Right>(me.value?.rights ?? []));

  function may(right: Right): boolean {
    return rights.value.has(right);
  }

  function enter(signedIn: Me): void {
    me.value = signedIn;
    ended.value = false;
    callAs({ csrf: signedIn.csrf });
    if (readText("language") === null) usePrefs().setLanguage(languageOf(signedIn.language));
  }

  /** Ask the server once whether the cookie is still good. */
  async function load(): Promise<void> {
    if (loaded.value) return;
    try {
      enter(await call<Me>("GET", "/session"));
      loaded.value = true;
    } catch (error) {
      if (!(error instanceof ApiError) || error.problem.status !== 401) throw error;
      loaded.value = true;
    }
  }

  async function signIn(user: string, password: string): Promise<void> {
    enter(await call<Me>("POST", "/session", { user, password }));
    loaded.value = true;
  }

  async function signOut(): Promise<void> {
    await call("DELETE", "/session");
    me.value = null;
  }

  function lose(): void {
    ended.value = me.value !== null;
    me.value = null;
  }

  /** Switch at once; the server is told so that it remembers. */
  async function setLanguage(language: Language): Promise<void> {
    usePrefs().setLanguage(language);
    if (me.value) await call("PUT", "/session/language", { language });
  }

  return { me, loaded, ended, may, load, signIn, signOut, lose, setLanguage };
});
