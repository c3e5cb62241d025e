/** Customers as docs/api.md states them: shapes, lists, cards, appointments, imports, custom fields. */
import { call } from "./http";
import type { Outcome, Role, Titles } from "./types";

export type CustomerKind = "person" | "company";

export interface CustomerNumber {
  number_id: number;
  /** Masked without `numbers.see`. */
  number: string;
  label: string;
}

export interface Blacklisting {
  reason: string;
  until: number | null;
  by: string;
  at: number;
}

/** What a custom field holds: text, number, date (YYYY-MM-DD), choice and phone, or several choices. */
export type FieldValue = string | number | string[] | null;

export interface Customer {
  customer_id: string;
  version: number;
  kind: CustomerKind;
  name: string;
  company: string;
  level: string;
  language: string | null;
  priority: number;
  tags: string[];
  owner_agent_id: string | null;
  source: string;
  numbers: CustomerNumber[];
  email: string;
  address: string;
  fields: Record<string, FieldValue>;
  blacklist: Blacklisting | null;
  notes_pinned: string;
  created_at: number;
  updated_at: number;
  merged: string[];
}

export type CustomerLine = Pick<
  Customer,
  | "customer_id"
  | "kind"
  | "name"
  | "company"
  | "level"
  | "tags"
  | "owner_agent_id"
  | "numbers"
  | "updated_at"
> & { blocked: boolean };

export type DuplicateLine = CustomerLine & { why: "same_number" | "same_name" };

/** A number that stays is named by its id, a new one by itself. */
export type NumberChange = { number_id: number; label: string } | { number: string; label: string };

/** What may be written; only what is there is changed. */
export interface CustomerChange {
  kind?: CustomerKind;
  name?: string;
  company?: string;
  level?: string;
  language?: string | null;
  tags?: string[];
  owner_agent_id?: string | null;
  source?: string;
  email?: string;
  address?: string;
  notes_pinned?: string;
  numbers?: NumberChange[];
  fields?: Record<string, FieldValue>;
}

export interface Appointment {
  appointment_id: string;
  customer_id: string;
  due_at: number;
  text: string;
  agent_id: string | null;
  /** The call on which it was agreed. */
  call_id?: string | null;
  done_at: number | null;
  customer_name?: string;
}

export interface ContactCall {
  kind: "call";
  at: number;
  call_id: string;
  direction: "inbound" | "outbound" | "internal";
  queue: string | null;
  agent_id: string | null;
  outcome: Outcome | null;
  talk_seconds: number;
  disposition: string | null;
  notes: string | null;
}

export interface ContactNote {
  kind: "note";
  at: number;
  note_id: string;
  text: string;
  by: string;
  call_id: string | null;
}

export interface ContactAppointment {
  kind: "appointment";
  at: number;
  appointment_id: string;
  due_at: number;
  text: string;
  agent_id: string | null;
  done_at: number | null;
}

export interface ContactChange {
  kind: "change";
  at: number;
  by: string;
  what: string;
  facts: Record<string, unknown>;
}

export type Contact = ContactCall | ContactNote | ContactAppointment | ContactChange;

export interface Match extends Customer {
  last_contacts: Contact[];
  open_appointments: Appointment[];
}

export interface Pop {
  call_id: string;
  number: string | null;
  chosen: string | null;
  matches: Match[];
}

export interface Page<Item> {
  items: Item[];
  next: string | null;
}

export interface CustomerFilter {
  q?: string;
  tag?: string;
  level?: string;
  owner?: string;
  blocked?: string;
}

const one = (id: string): string => `/customers/${encodeURIComponent(id)}`;

function queryOf(given: Record<string, string | undefined>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(given)) {
    if (value !== undefined && value !== "") query.set(key, value);
  }
  return query.toString();
}

export function readCustomers(
  filter: CustomerFilter,
  limit: number,
  cursor: string | null,
  signal?: AbortSignal,
): Promise<Page<CustomerLine>> {
  const query = queryOf({ ...filter, limit: String(limit), cursor: cursor ?? undefined });
  return call("GET", `/customers?${query}`, undefined, signal ? { signal } : {});
}

export const readCustomer = (id: string): Promise<Customer> => call("GET", one(id));

export const addCustomer = (
  change: CustomerChange & { call_id?: string; allow_shared?: boolean },
): Promise<Customer> => call("POST", "/customers", change);

export const changeCustomer = (
  id: string,
  change: CustomerChange & { version: number; allow_shared?: boolean },
): Promise<Customer> => call("PATCH", one(id), change);

export const deleteCustomer = (id: string): Promise<void> => call("DELETE", one(id));

export const restoreCustomer = (id: string): Promise<Customer> => call("POST", `${one(id)}/restore`);

export function readTimeline(id: string, limit: number, cursor: string | null): Promise<Page<Contact>> {
  const query = queryOf({ limit: String(limit), cursor: cursor ?? undefined });
  return call("GET", `${one(id)}/timeline?${query}`);
}

export const addNote = (id: string, text: string, callId: string | null): Promise<unknown> =>
  call("POST", `${one(id)}/notes`, { text, ...(callId === null ? {} : { call_id: callId }) });

export const addAppointment = (
  id: string,
  given: { due_at: number; text: string; call_id?: string },
): Promise<Appointment> => call("POST", `${one(id)}/appointments`, given);

export const changeAppointment = (
  id: string,
  change: { due_at?: number; text?: string; done?: boolean },
): Promise<Appointment> => call("PATCH", `/appointments/${encodeURIComponent(id)}`, change);

/** At most 100 of one's own; `more` tells whether there are others. */
export const readOpenAppointments = (): Promise<{ items: Appointment[]; more: boolean }> =>
  call("GET", "/appointments?open=true");

export const blacklist = (id: string, reason: string, until: number | null): Promise<unknown> =>
  call("PUT", `${one(id)}/blacklist`, { reason, until });

export const allow = (id: string): Promise<unknown> => call("DELETE", `${one(id)}/blacklist`);

export const readDuplicates = (id: string): Promise<{ items: DuplicateLine[] }> =>
  call("GET", `${one(id)}/duplicates`);

export const mergeCustomer = (into: Customer, other: Customer): Promise<Customer> =>
  call("POST", `${one(into.customer_id)}/merge`, {
    other: other.customer_id,
    version: into.version,
    other_version: other.version,
  });

export const unmergeCustomer = (id: string, other: string): Promise<Customer> =>
  call("POST", `${one(id)}/unmerge`, { other });

/** One number in full; the server writes down who asked. */
export const revealNumber = (id: string, numberId: number): Promise<{ number: string }> =>
  call("POST", `${one(id)}/numbers/${numberId}/reveal`);

// --- the card of a call

const ofCall = (callId: string): string => `/agent/calls/${encodeURIComponent(callId)}/customer`;

export const readPop = (callId: string, signal?: AbortSignal): Promise<Pop> =>
  call("GET", ofCall(callId), undefined, signal ? { signal } : {});

export const chooseCustomer = (callId: string, customerId: string): Promise<Pop> =>
  call("PUT", ofCall(callId), { customer_id: customerId });

// --- custom fields

export type FieldType = "text" | "number" | "date" | "choice" | "multi" | "phone";
export const FIELD_TYPES: readonly FieldType[] = ["text", "number", "date", "choice", "multi", "phone"];

export interface CustomField {
  code: string;
  title: Titles;
  type: FieldType;
  choices: string[];
  required: boolean;
  /** Roles; none means everybody who sees customers. */
  visible_to: Role[];
  /** Roles; none means everybody who may change customers. */
  editable_by: Role[];
  position: number;
}

/** A field as it is read; `editable`: by who asks. */
export type ReadField = CustomField & { editable: boolean };

export const readFields = (): Promise<{ items: ReadField[] }> => call("GET", "/customer-fields");

export const writeFields = (items: CustomField[]): Promise<{ items: ReadField[] }> =>
  call("PUT", "/customer-fields", { items });

// --- import and export

export type ImportState = "uploaded" | "running" | "done" | "cancelled" | "failed";
export type OnDuplicate = "skip" | "update" | "create";
/** Column name to target, null where the column is left out. */
export type Mapping = Record<string, string | null>;

export interface Upload {
  import_id: string;
  name: string;
  columns: string[];
  sample: string[][];
  suggested: Mapping;
  /** What a column may become. */
  targets: string[];
  rows: number;
}

export interface ImportProgress extends Partial<Omit<Upload, "import_id" | "name" | "rows">> {
  import_id: string;
  name: string;
  state: ImportState;
  rows: number;
  read: number;
  created: number;
  updated: number;
  skipped: number;
  bad: number;
  started_at: number | null;
  seconds_left: number | null;
  /** A code where it failed, else empty. */
  error: string;
}

/** A hundred megabytes over a slow office line. */
const UPLOAD_TIMEOUT_MS = 10 * 60_000;

const oneImport = (id: string): string => `/customer-imports/${encodeURIComponent(id)}`;

export const uploadImport = (file: File): Promise<Upload> =>
  call("POST", `/customer-imports?${queryOf({ name: file.name })}`, file, {
    timeoutMs: UPLOAD_TIMEOUT_MS,
  });

export const startImport = (
  id: string,
  mapping: Mapping,
  onDuplicate: OnDuplicate,
): Promise<ImportProgress> => {
  const chosen = Object.entries(mapping).filter((pair) => pair[1] !== null);
  const body = { mapping: Object.fromEntries(chosen), on_duplicate: onDuplicate };
  return call("POST", `${oneImport(id)}/start`, body);
};

export const readImport = (id: string): Promise<ImportProgress> => call("GET", oneImport(id));

export const readImports = (): Promise<{ items: ImportProgress[] }> => call("GET", "/customer-imports");

export const cancelImport = (id: string): Promise<unknown> => call("POST", `${oneImport(id)}/cancel`);

export const badRowsAddress = (id: string): string => `/api/v1${oneImport(id)}/bad-rows.csv`;

export function exportAddress(filter: CustomerFilter, format: "csv" | "xlsx"): string {
  return `/api/v1/customers/export?${queryOf({ ...filter, format })}`;
}
