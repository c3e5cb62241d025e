/** Pure parts of the customers' screens: what may be typed, what changed, what stands against it. */
import type {
  CustomField,
  Customer,
  CustomerChange,
  FieldValue,
  NumberChange,
} from "@/api/customers";
import type { Role, Titles } from "@/api/types";

/** A number in the form: one that is kept has its id, its digits may be masked. */
export interface TypedNumber {
  number_id: number | null;
  number: string;
  label: string;
}

/** Everything that the form shows, whether or not it was changed. */
export interface CustomerForm {
  kind: "person" | "company";
  name: string;
  company: string;
  level: string;
  tags: string[];
  owner_agent_id: string | null;
  language: string | null;
  email: string;
  address: string;
  source: string;
  notes_pinned: string;
  numbers: TypedNumber[];
  fields: Record<string, FieldValue>;
}

export type PlainKey = Exclude<keyof CustomerForm, "numbers" | "fields">;
export const PLAIN_KEYS: readonly PlainKey[] = [
  "kind",
  "name",
  "company",
  "level",
  "tags",
  "owner_agent_id",
  "language",
  "email",
  "address",
  "source",
  "notes_pinned",
];

/** What the person typed, by form key ("name") or field key ("field:vin"), plus the numbers. */
export type Typed = Record<string, unknown>;

export const fieldKey = (code: string): string => `field:${code}`;

export function emptyForm(): CustomerForm {
  return {
    kind: "person",
    name: "",
    company: "",
    level: "",
    tags: [],
    owner_agent_id: null,
    language: null,
    email: "",
    address: "",
    source: "",
    notes_pinned: "",
    numbers: [],
    fields: {},
  };
}

export function formOf(customer: Customer): CustomerForm {
  const { kind, name, company, level, tags, owner_agent_id, language } = customer;
  const { email, address, source, notes_pinned, numbers, fields } = customer;
  return {
    kind,
    name,
    company,
    level,
    tags: [...tags],
    owner_agent_id,
    language,
    email,
    address,
    source,
    notes_pinned,
    numbers: numbers.map((each) => ({ ...each })),
    fields: { ...fields },
  };
}

/** The form as it stands: what was typed laid over what is kept. */
export function laidOver(kept: CustomerForm, typed: Typed): CustomerForm {
  const form: CustomerForm = { ...kept, fields: { ...kept.fields } };
  for (const [key, value] of Object.entries(typed)) {
    if (key.startsWith("field:")) form.fields[key.slice("field:".length)] = value as FieldValue;
    else Object.assign(form, { [key]: value });
  }
  return form;
}

function same(left: unknown, right: unknown): boolean {
  const blank = (value: unknown): unknown =>
    value === null || value === undefined || (Array.isArray(value) && value.length === 0) ? "" : value;
  return JSON.stringify(blank(left)) === JSON.stringify(blank(right));
}

/** The value of a form key or field key. */
export function valueAt(form: CustomerForm, key: string): unknown {
  if (key.startsWith("field:")) return form.fields[key.slice("field:".length)] ?? null;
  return form[key as keyof CustomerForm];
}

/** Of what was typed, only what differs from what is kept. */
export function changedOnly(kept: CustomerForm, typed: Typed): Typed {
  return Object.fromEntries(
    Object.entries(typed).filter(([key, value]) => !same(value, valueAt(kept, key))),
  );
}

function numberChange(typed: TypedNumber): NumberChange {
  return typed.number_id === null
    ? { number: typed.number.trim(), label: typed.label }
    : { number_id: typed.number_id, label: typed.label };
}

/** What is sent: the changed keys, fields together, numbers as a whole list without empty ones. */
export function changeOf(typed: Typed): CustomerChange {
  const change: CustomerChange = {};
  for (const [key, value] of Object.entries(typed)) {
    if (key.startsWith("field:")) {
      (change.fields ??= {})[key.slice("field:".length)] = value as FieldValue;
    } else if (key === "numbers") {
      change.numbers = (value as TypedNumber[])
        .filter((each) => each.number_id !== null || each.number.trim() !== "")
        .map(numberChange);
    } else {
      Object.assign(change, { [key]: typeof value === "string" ? value.trim() : value });
    }
  }
  return change;
}

/** A key on which two people wrote: mine and what it is now. */
export interface Conflict {
  key: string;
  mine: unknown;
  theirs: unknown;
}

/**
 * Where my changes meet another's: keys that I typed and that are no longer what I began from.
 * @param base what stood at each key when I first typed over it
 */
export function conflictsOf(base: Typed, now: CustomerForm, typed: Typed): Conflict[] {
  return Object.entries(typed)
    .filter(([key]) => key in base && !same(base[key], valueAt(now, key)))
    .filter(([key, mine]) => !same(mine, valueAt(now, key)))
    .map(([key, mine]) => ({ key, mine, theirs: valueAt(now, key) }));
}

const PHONE = /^\+?[\d\s()./-]{3,24}$/;
const EMAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;

/** Why a value cannot be saved: the word's key below `customers.wrong`. */
export type Wrong = "needed" | "no_phone" | "no_email" | "no_number" | "no_choice";

function blank(value: unknown): boolean {
  return (
    value === null ||
    value === undefined ||
    (typeof value === "string" && value.trim() === "") ||
    (Array.isArray(value) && value.length === 0)
  );
}

function wrongField(field: CustomField, value: FieldValue | undefined): Wrong | null {
  if (value === undefined || blank(value)) return field.required ? "needed" : null;
  if (field.type === "phone") return PHONE.test(String(value)) ? null : "no_phone";
  if (field.type === "number") return Number.isFinite(Number(value)) ? null : "no_number";
  if (field.type === "choice") return field.choices.includes(String(value)) ? null : "no_choice";
  return null;
}

/**
 * Everything that stands against saving, by form key.
 * @param typed where given, only these keys are judged: an old gap must not hold up another change.
 */
export function wrongIn(
  form: CustomerForm,
  fields: readonly CustomField[],
  typed: Typed | null,
): Record<string, Wrong> {
  const wrong: Record<string, Wrong> = {};
  if (blank(form.name)) wrong.name = "needed";
  if (form.email.trim() !== "" && !EMAIL.test(form.email.trim())) wrong.email = "no_email";
  const unread = form.numbers.some(
    (each) => each.number_id === null && each.number.trim() !== "" && !PHONE.test(each.number.trim()),
  );
  if (unread) wrong.numbers = "no_phone";
  for (const field of fields) {
    const found = wrongField(field, form.fields[field.code]);
    if (found) wrong[fieldKey(field.code)] = found;
  }
  if (typed === null) return wrong;
  return Object.fromEntries(Object.entries(wrong).filter(([key]) => key in typed));
}

const among = (wanted: readonly Role[], roles: readonly Role[]): boolean =>
  wanted.length === 0 || wanted.some((role) => roles.includes(role));

/** The fields that these roles see, in their order. */
export function visibleFields(fields: readonly CustomField[], roles: readonly Role[]): CustomField[] {
  return fields
    .filter((field) => among(field.visible_to, roles))
    .sort((left, right) => left.position - right.position);
}

export function editable(field: CustomField, roles: readonly Role[]): boolean {
  return among(field.editable_by, roles);
}

// --- finding

const WHOLE_NUMBER_DIGITS = 7;

/** Whether the words hold digits so few that they could only guess numbers; the server refuses them. */
export function guessesNumbers(words: string): boolean {
  return words
    .split(/\s+/)
    .some((word) => /^\+?[\d-]+$/.test(word) && word.replace(/\D/g, "").length < WHOLE_NUMBER_DIGITS);
}

// --- call-backs

const HOUR_SECONDS = 3600;

/** The quick choices of a call-back: in an hour, to the next five minutes, or a day at ten. */
export function quickMoments(now: Date): { code: "hour" | "tomorrow" | "next_week"; at: number }[] {
  const inAnHour = Math.ceil((now.getTime() / 1000 + HOUR_SECONDS) / 300) * 300;
  const atTen = (days: number): number =>
    new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, 10).getTime() / 1000;
  return [
    { code: "hour", at: inAnHour },
    { code: "tomorrow", at: atTen(1) },
    { code: "next_week", at: atTen(7) },
  ];
}

// --- custom fields

/** A code for a new field from its English title, not one that is taken. */
export function codeFor(title: Titles, taken: readonly string[]): string {
  const base =
    (title.en ?? "")
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "_")
      .replace(/^_+|_+$/g, "")
      .slice(0, 28) || "field";
  const start = /^[a-z]/.test(base) ? base : `f_${base}`;
  if (!taken.includes(start)) return start;
  let count = 2;
  while (taken.includes(`${start}_${count}`)) count += 1;
  return `${start}_${count}`;
}

/** Why a field cannot be kept as it is. */
export type FieldFault = "no_title" | "no_choices";

/** By place in the list: what stands against keeping it. */
export function faultyFields(fields: readonly CustomField[]): Record<number, FieldFault> {
  const faults: Record<number, FieldFault> = {};
  fields.forEach((field, place) => {
    const chosen = field.type === "choice" || field.type === "multi";
    if (blank(field.title["zh-CN"]) || blank(field.title.en)) faults[place] = "no_title";
    else if (chosen && field.choices.length === 0) faults[place] = "no_choices";
  });
  return faults;
}

/** The list with one element moved; positions count from 0. */
export function moved<Item extends { position: number }>(items: readonly Item[], from: number, to: number): Item[] {
  const order = [...items];
  const [item] = order.splice(from, 1);
  if (item) order.splice(to, 0, item);
  return order.map((each, position) => ({ ...each, position }));
}

// --- import

/** The mapping to begin with: what was chosen last time for a column so named, else the suggestion. */
export function startingMapping(
  columns: readonly string[],
  suggested: Record<string, string | null>,
  remembered: Record<string, string | null>,
  targets: readonly string[],
): Record<string, string | null> {
  const used = new Set<string>();
  const mapping: Record<string, string | null> = {};
  for (const column of columns) {
    const wished = column in remembered ? remembered[column] : suggested[column];
    const target = wished != null && targets.includes(wished) && !used.has(wished) ? wished : null;
    if (target !== null) used.add(target);
    mapping[column] = target;
  }
  return mapping;
}

/** Why an import cannot start with this mapping, null when it can. */
export function mappingFault(mapping: Record<string, string | null>): "no_name" | "twice" | null {
  const chosen = Object.values(mapping).filter((target) => target !== null);
  if (new Set(chosen).size !== chosen.length) return "twice";
  const named = chosen.some((target) => ["name", "company"].includes(target));
  return named ? null : "no_name";
}

// --- merging

export interface MergeLine {
  key: string;
  into: unknown;
  from: unknown;
  /** Whether something of the other's comes over. */
  moves: boolean;
}

/** Side by side what two entries hold: lists are joined, single values fill only what is empty. */
export function mergePreview(into: Customer, from: Customer): MergeLine[] {
  const numbersOf = (customer: Customer): string[] => customer.numbers.map((each) => each.number);
  const joined = (key: string, left: string[], right: string[]): MergeLine => ({
    key,
    into: left,
    from: right,
    moves: right.some((each) => !left.includes(each)),
  });
  const filled = (key: string, left: unknown, right: unknown): MergeLine => ({
    key,
    into: left,
    from: right,
    moves: blank(left) && !blank(right),
  });
  const singles: PlainKey[] = [
    "name", "company", "level", "owner_agent_id", "language", "email", "address", "source", "notes_pinned",
  ];
  const codes = [...new Set([...Object.keys(into.fields), ...Object.keys(from.fields)])];
  return [
    ...singles.map((key) => filled(key, into[key], from[key])),
    joined("numbers", numbersOf(into), numbersOf(from)),
    joined("tags", into.tags, from.tags),
    ...codes.map((code) => filled(fieldKey(code), into.fields[code] ?? null, from.fields[code] ?? null)),
  ].filter((line) => !blank(line.into) || !blank(line.from));
}
