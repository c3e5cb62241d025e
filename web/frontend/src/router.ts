/** Pages, who may see them, and where each person starts. */
import { createRouter, createWebHistory, type Router, type RouteRecordRaw } from "vue-router";

import type { Right } from "@/api/types";
import { useSession } from "@/stores/session";

declare module "vue-router" {
  interface RouteMeta {
    /** Any of these opens the page. */
    rights?: Right[];
    open?: boolean;
  }
}

/** Stands where nobody stays: whom to send where is known only after the session was asked for. */
const Nothing = { render: () => null };

const routes: RouteRecordRaw[] = [
  { path: "/sign-in", name: "sign-in", component: () => import("@/pages/SignIn.vue"), meta: { open: true } },
  {
    path: "/",
    component: () => import("@/pages/Shell.vue"),
    children: [
      { path: "", name: "home", component: Nothing, beforeEnter: () => ({ name: homeOf() }) },
      {
        path: "desk",
        name: "desk",
        component: () => import("@/pages/Desk.vue"),
        meta: { rights: ["desk.use"] },
      },
      {
        path: "live",
        name: "live",
        component: () => import("@/pages/Live.vue"),
        meta: { rights: ["floor.see"] },
      },
      {
        path: "calls",
        name: "calls",
        component: () => import("@/pages/Calls.vue"),
        meta: { rights: ["calls.own", "calls.see"] },
      },
      {
        path: "calls/:id",
        name: "call",
        component: () => import("@/pages/CallDetail.vue"),
        props: true,
        meta: { rights: ["calls.own", "calls.see"] },
      },
      { path: ":rest(.*)*", name: "nowhere", component: () => import("@/pages/Nowhere.vue") },
    ],
  },
];

/** The page a person starts on, by rights. */
export function homeOf(): "desk" | "live" | "calls" {
  const session = useSession();
  if (session.me?.agent_id != null && session.may("desk.use")) return "desk";
  return session.may("floor.see") ? "live" : "calls";
}

export function makeRouter(): Router {
  const router = createRouter({ history: createWebHistory(), routes });
  router.beforeEach(async (to) => {
    const session = useSession();
    await session.load();
    if (!session.me) {
      return to.meta.open ? true : { name: "sign-in", query: { next: to.fullPath } };
    }
    if (to.name === "sign-in") return { name: homeOf() };
    const wanted = to.meta.rights;
    return !wanted || wanted.some((right) => session.may(right)) ? true : { name: homeOf() };
  });
  return router;
}
