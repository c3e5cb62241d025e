/** People: users, teams, sessions, the audit trail, and one's own account. */
import { call } from "./http";
import type { Language, Right, Role, Scope } from "./types";

export interface User {
  user_id: number;
  name: string;
  full_name: string;
  roles: Role[];
  agent_id: string | null;
  language: Language;
  team_id: number | null;
  team: string | null;
  department: string | null;
  disabled: boolean;
  must_change_password: boolean;
  last_seen_at: number | null;
}

export interface UserPage {
  items: User[];
  total: number;
  next: string | null;
}

/** What of a user can be set. */
export interface UserWish {
  name?: string;
  full_name: string;
  roles: Role[];
  agent_id: string | null;
  team_id: number | null;
  language: Language;
}

export interface Team {
  team_id: number;
  name: string;
  members: number;
}

export interface Department {
  department_id: number;
  name: string;
  teams: Team[];
}

export interface SessionInfo {
  session_id: number;
  address: string;
  device: string;
  created_at: number;
  last_seen_at: number;
  current: boolean;
}

export interface RoleInfo {
  role: Role;
  rights: Partial<Record<Right, Scope>>;
}

export interface Entry {
  entry_id: number;
  at: number;
  user: string;
  address: string;
  what: string;
  kind: string;
  object_id: string;
  object_name: string;
  facts: Record<string, unknown>;
}

export type Filter = Record<string, string>;

const queryOf = (filter: Filter): string => {
  const query = new URLSearchParams(filter).toString();
  return query === "" ? "" : `?${query}`;
};
const userPath = (id: number): string => `/people/users/${id}`;

export const readUsers = (filter: Filter): Promise<UserPage> =>
  call("GET", `/people/users${queryOf(filter)}`);
export const addUser = (wish: UserWish): Promise<{ user: User; password: string }> =>
  call("POST", "/people/users", wish);
export const changeUser = (id: number, change: Partial<UserWish> & { disabled?: boolean }): Promise<User> =>
  call("PATCH", userPath(id), change);
export const givePassword = (id: number): Promise<{ password: string }> =>
  call("POST", `${userPath(id)}/password`);

export async function readSessions(id: number): Promise<SessionInfo[]> {
  return (await call<{ items: SessionInfo[] }>("GET", `${userPath(id)}/sessions`)).items;
}
export const endSession = (id: number, sessionId: number): Promise<void> =>
  call("DELETE", `${userPath(id)}/sessions/${sessionId}`);
export const endSessions = (id: number): Promise<void> => call("DELETE", `${userPath(id)}/sessions`);

export async function readOwnSessions(): Promise<SessionInfo[]> {
  return (await call<{ items: SessionInfo[] }>("GET", "/session/all")).items;
}
export const endOthers = (present: string): Promise<void> => call("POST", "/session/others/end", { present });

export async function readDepartments(): Promise<Department[]> {
  return (await call<{ departments: Department[] }>("GET", "/people/departments")).departments;
}
export const addDepartment = (name: string): Promise<void> => call("POST", "/people/departments", { name });
export const renameDepartment = (id: number, name: string): Promise<void> =>
  call("PATCH", `/people/departments/${id}`, { name });
export const removeDepartment = (id: number): Promise<void> => call("DELETE", `/people/departments/${id}`);
export const addTeam = (departmentId: number, name: string): Promise<void> =>
  call("POST", "/people/teams", { name, department_id: departmentId });
export const renameTeam = (id: number, departmentId: number, name: string): Promise<void> =>
  call("PATCH", `/people/teams/${id}`, { name, department_id: departmentId });
export const removeTeam = (id: number): Promise<void> => call("DELETE", `/people/teams/${id}`);

export async function readRoles(): Promise<RoleInfo[]> {
  return (await call<{ roles: RoleInfo[] }>("GET", "/people/roles")).roles;
}
export const readTrail = (filter: Filter): Promise<{ items: Entry[]; next: number | null }> =>
  call("GET", `/audit${queryOf(filter)}`);
export const trailFile = (filter: Filter): string => `/api/v1/audit.csv${queryOf(filter)}`;

export async function revealNumber(callId: string): Promise<string> {
  return (await call<{ number: string }>("POST", `/calls/${encodeURIComponent(callId)}/reveal`)).number;
}
