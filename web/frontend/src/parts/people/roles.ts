/** The roles, in the order of the screens. */
import type { Role } from "@/api/types";

export const ROLES: readonly Role[] = ["agent", "leader", "supervisor", "quality", "director", "admin"];
