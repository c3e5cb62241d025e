/** Pages, who may see them, and where each person starts. */
import {
  createRouter,
  createWebHistory,
  type Router,
  type RouteRecordRaw,
  type RouterHistory,
} from "vue-router";

import type { Right } from "@/api/types";
import { usePhone } from "@/stores/phone";
import { useSession } from "@/stores/session";

declare module "vue-router" {
  interface RouteMeta {
    /** Any of these opens the page. */
    rights?: Right[];
    open?: boolean;
    /** The place in the rail that the page belongs to, where it is not its own name. */
    place?: string;
  }
}

/** Stands where nobody stays: whom to send where is known only after the session was asked for. */
const Nothing = { render: () => null };

const routes: RouteRecordRaw[] = [
  {
    path: "/wallboard",
    name: "wallboard",
    component: () => import("@/pages/Wallboard.vue"),
    meta: { rights: ["floor.see"] },
  },
  { path: "/sign-in", name: "sign-in", component: () => import("@/pages/SignIn.vue"), meta: { open: true } },
  { path: "/new-password", name: "new-password", component: () => import("@/pages/NewPassword.vue") },
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
        path: "people",
        name: "people",
        component: () => import("@/pages/People.vue"),
        meta: { rights: ["people.see", "audit.see"] },
      },
      {
        path: "calls",
        name: "calls",
        component: () => import("@/pages/Calls.vue"),
        meta: { rights: ["calls.see"] },
      },
      {
        path: "calls/:id",
        name: "call",
        component: () => import("@/pages/CallDetail.vue"),
        props: true,
        meta: { rights: ["calls.see"], place: "calls" },
      },
      {
        path: "customers",
        name: "customers",
        component: () => import("@/pages/Customers.vue"),
        meta: { rights: ["customers.see"] },
      },
      {
        path: "customers/new",
        name: "customer-new",
        component: () => import("@/pages/CustomerNew.vue"),
        meta: { rights: ["customers.edit"], place: "customers" },
      },
      {
        path: "customers/import/:id?",
        name: "customer-import",
        component: () => import("@/pages/CustomerImport.vue"),
        props: true,
        meta: { rights: ["customers.manage"], place: "customers" },
      },
      {
        path: "customers/:id",
        name: "customer",
        component: () => import("@/pages/CustomerPage.vue"),
        props: true,
        meta: { rights: ["customers.see"], place: "customers" },
      },
      {
        path: "customer-fields",
        name: "customer-fields",
        component: () => import("@/pages/CustomerFieldsPage.vue"),
        meta: { rights: ["customers.fields"] },
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

export function makeRouter(history: RouterHistory = createWebHistory()): Router {
  const router = createRouter({ history, routes });
  router.beforeEach(async (to) => {
    const session = useSession();
    await session.reach();
    if (!session.me) {
      // Signing in would unload the phone: until the call is over there is only the desk, to end it.
      if (usePhone().call !== null) return to.name === "desk";
      return to.meta.open ? true : { name: "sign-in", query: { next: to.fullPath } };
    }
    const first = session.me.must_change_password;
    if (first) return to.name === "new-password" ? true : { name: "new-password", query: { next: to.fullPath } };
    if (to.name === "sign-in" || to.name === "new-password") return { name: homeOf() };
    const wanted = to.meta.rights;
    return !wanted || wanted.some((right) => session.may(right)) ? true : { name: homeOf() };
  });
  return router;
}
