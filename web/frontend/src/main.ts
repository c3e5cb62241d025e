import { createPinia } from "pinia";
import { createApp } from "vue";

import { whenSignedOut } from "@/api/http";
import { i18n } from "@/i18n";
import { startClock } from "@/lib/clock";
import { nameSelects } from "@/lib/selects";
import { makeRouter } from "@/router";
import { usePrefs } from "@/stores/prefs";
import { useRelease } from "@/stores/release";
import { useSession } from "@/stores/session";

import App from "./App.vue";
import "./theme.css";

const app = createApp(App);
app.use(createPinia());
app.use(i18n);
usePrefs().apply();
startClock();
nameSelects(document);
window.addEventListener("vite:preloadError", () => void useRelease().missed());
whenSignedOut(() => useSession().lose());
app.use(makeRouter());
app.mount("#app");
