/** Who is signed in to the application. */
import { defineStore } from "pinia";
import { ref } from "vue";

import { ApiError, call, callAs } from "@/api/http";
import type { Language, Me, Right, Scope } from "@/api/types";
import { languageOf } from "@/i18n";
import { readText } from "@/lib/storage";

import { usePrefs } from "./prefs";

const RETRY_MS = 2000;
const SCOPES: Scope[] = ["own", "team", "all"];

export const useSession = defineStore("session", () => {
  const me = ref<Me | null>(null);
  const loaded = ref(false);
  /** The server ended the session while the person worked. */
  const ended = ref(false);
  /** Nobody can be asked who is signed in; it is tried again and again. */
  const away = ref(false);

  /** Whether the person has the right, for the scope at least. */
  function may(right: Right, scope: Scope = "own"): boolean {
    const given = me.value?.rights[right];
    return given !== undefined && SCOPES.indexOf(given) >= SCOPES.indexOf(scope);
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

  /** Ask until there is an answer: no page can be shown before. */
  async function reach(): Promise<void> {
    for (;;) {
      try {
        await load();
        away.value = false;
        return;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        away.value = true;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** Ask again: somebody may have signed in on another page of this browser. */
  async function again(): Promise<void> {
    loaded.value = false;
    await load();
  }

  async function signIn(user: string, password: string): Promise<void> {
    enter(await call<Me>("POST", "/session", { user, password }));
    loaded.value = true;
  }

  async function signOut(): Promise<void> {
    await call("DELETE", "/session");
    me.value = null;
  }

  /** Choose another password: the server ends all other sessions. */
  async function changePassword(present: string, password: string): Promise<void> {
    await call("PUT", "/session/password", { present, password });
    if (me.value) me.value = { ...me.value, must_change_password: false };
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

  return { me, loaded, ended, away, may, load, reach, again, signIn, signOut, changePassword, lose, setLanguage };
});
