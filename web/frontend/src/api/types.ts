/**
 * The shapes that the server and the browser exchange, as docs/api.md states them.
 * Times are epoch seconds on the server's clock; durations are seconds.
 */

import type { Customer, Pop } from "./customers";

export type Right =
  | "desk.use"
  | "calls.see"
  | "decisions.see"
  | "floor.see"
  | "agents.force"
  | "alarms.clear"
  | "numbers.see"
  | "numbers.reveal"
  | "recording.listen"
  | "customers.see"
  | "customers.edit"
  | "customers.manage"
  | "customers.export"
  | "customers.fields"
  | "blacklist.edit"
  | "people.see"
  | "people.manage"
  | "audit.see"
  | "metrics.see";

/** Whose: one's own, those of one's team, everybody's. */
export type Scope = "own" | "team" | "all";
export type Role = "agent" | "leader" | "supervisor" | "quality" | "director" | "admin";
export type Language = "zh-CN" | "en";

export interface Me {
  user: string;
  name: string;
  roles: Role[];
  agent_id: string | null;
  language: string;
  csrf: string;
  rights: Partial<Record<Right, Scope>>;
  /** Somebody else chose the password: nothing else opens before another one is chosen. */
  must_change_password: boolean;
}

/** RFC 9457 with our stable `code` and what the reader can do (`action`). */
export interface Problem {
  type?: string;
  title: string;
  status: number;
  detail?: string;
  code: string;
  action?: string;
  /** With `seat_taken`: who sits there. */
  agent?: string | { id: string; name: string };
  /** With `invalid`: which of what was sent, as "fields.vin". */
  errors?: { field: string; code: string; message: string }[];
  /** With `user_refused`: what is not acceptable. */
  reason?: string;
  /** With `customer_changed`: the customer as it is now. */
  customer?: Customer;
  /** With `number_taken`: whose number it is. */
  customer_id?: string;
  name?: string;
}

export type Titles = Record<string, string>;

/** From where on a figure warns, and from where on it is an alarm; null: never. */
export interface Limit {
  warn: number | null;
  alarm: number | null;
}

/** Of the service level both are floors: below them it is too low. */
export interface QueueLimits {
  waiting: Limit;
  longest_wait_seconds: Limit;
  service_level: Limit;
}

export interface QueueInfo {
  name: string;
  title: Titles;
  service_level_seconds: number;
  service_level_target: number;
  limits: QueueLimits;
  dispositions: string[];
  wrap_up_limit_seconds: number;
}

export interface ReasonInfo {
  code: string;
  title: Titles;
  limit_minutes: number | null;
}

export interface ExtensionInfo {
  number: string;
  kind: "browser" | "desk";
  agent_id: string | null;
}

export interface AgentInfo {
  id: string;
  name: string;
  team: string;
  queues: string[];
}

export interface FloorInfo {
  queues: QueueInfo[];
  reasons: ReasonInfo[];
  extensions: ExtensionInfo[];
  agents: AgentInfo[];
  sip: { ws_url: string; domain: string } | null;
}

export interface SipAccount {
  uri: string;
  ws_url: string;
  user: string;
  password: string;
}

export interface Seat {
  extension: string;
  kind: "browser" | "desk";
  sip: SipAccount | null;
}

export type AgentState = "signed_out" | "ready" | "not_ready" | "offered" | "talking" | "wrap_up";

// --- live rows -----------------------------------------------------------------------------------

export interface AgentToday {
  calls: number;
  talk_seconds: number;
  missed: number;
}

/** The agent's own figures. `spent`: seconds per state, up to when the present one began. */
export interface OwnToday extends AgentToday {
  average_seconds: number | null;
  began_at: number;
  spent: Partial<Record<AgentState, number>>;
}

/** Table `me` of topic desk. */
export interface MeRow {
  agent_id: string;
  state: AgentState;
  reason: string | null;
  since: number;
  until: number | null;
  next_reason: string | null;
  extension: string | null;
  phone_reachable: boolean;
  today: OwnToday;
}

export interface OfferRow {
  offer_id: string;
  call_id: string;
  queue: string;
  number: string | null;
  name: string | null;
  level: string | null;
  language: string | null;
  customer_id: string | null;
  waited_since: number;
  made_at: number;
  until: number;
}

export type DeskCallState = "ringing" | "talking" | "held" | "wrap_up";
export type RecordingState = "none" | "on" | "paused";

export interface DeskCallRow {
  call_id: string;
  queue: string | null;
  number: string | null;
  name: string | null;
  level: string | null;
  language?: string | null;
  customer_id?: string | null;
  state: DeskCallState;
  started_at: number;
  answered_at: number | null;
  recording: RecordingState;
  /** The code that this agent saved. */
  disposition: string | null;
}

export interface PulseRow {
  name: string;
  waiting: number;
  oldest_since: number | null;
}

export interface DeskTables {
  me: MeRow;
  offers: OfferRow;
  calls: DeskCallRow;
  queues: PulseRow;
}

export interface FloorQueueRow {
  name: string;
  waiting: number;
  oldest_since: number | null;
  ready: number;
  offered: number;
  talking: number;
  wrap_up: number;
  not_ready: number;
  signed_in: number;
  answered_today: number;
  abandoned_today: number;
  offered_today: number;
  answered_in_time_today: number;
  judged_today: number;
  service_level_today: number | null;
  /** Of the last half hour, of `judged_now` callers. */
  service_level_now: number | null;
  judged_now: number;
  unheard_today: Unheard | null;
  expected_wait_seconds: number | null;
}

/** What the day's gaps leave open. */
export interface Unheard {
  /** Calls that came and went unheard; null: nobody can say. */
  calls_at_most: number | null;
  /** Callers who were gone after a gap, answered or not. */
  ends_unknown: number;
}

export interface FloorAgentRow {
  id: string;
  name: string;
  team: string;
  state: AgentState;
  reason: string | null;
  since: number;
  call_id: string | null;
  queue: string | null;
  extension: string | null;
  reachable: boolean;
  panel: boolean;
  /** The agent's phone is in the browser. */
  needs_panel: boolean;
  today: AgentToday;
}

export interface WaitingRow {
  visit_id: string;
  call_id: string;
  queue: string;
  number: string | null;
  name: string | null;
  level: string | null;
  entered_at: number;
  priority: number;
  native: boolean;
}

export interface AlarmRow {
  key: string;
  level: "warning" | "error";
  code: string;
  since: number;
  params: Record<string, string | number | null>;
}

export type PbxState = "disconnected" | "refused" | "syncing" | "ready" | "fenced";

export interface LinkRow {
  pbx: PbxState;
  since: number;
  lag_seconds: number | null;
  database: "up" | "away";
  journal_behind: number;
}

/** A quarter of an hour that still changes; `queue` null: all together. */
export interface TrendRow {
  queue: string | null;
  begin: number;
  offered: number;
  answered: number;
  abandoned: number;
  service_level: number | null;
  waiting_most: number;
  ready_mean: number | null;
}

/** Nothing was heard from the PBX. */
export interface GapRow {
  from_at: number;
  to_at: number;
  reason: string;
}

export interface TrendSeries {
  queue: string | null;
  offered: number[];
  answered: number[];
  abandoned: number[];
  service_level: (number | null)[];
  waiting_most: number[];
  ready_mean: (number | null)[];
}

/** A day by quarters of an hour, as GET /trends gives it. */
export interface Trends {
  day: string;
  begin: number;
  end: number;
  quarter_seconds: number;
  series: TrendSeries[];
  gaps: GapRow[];
}

export interface FloorTables {
  queues: FloorQueueRow;
  agents: FloorAgentRow;
  waiting: WaitingRow;
  alarms: AlarmRow;
  link: LinkRow;
  trends: TrendRow;
  gaps: GapRow;
}

export type Tables = Record<string, Record<string, unknown>>;

export type ServerMessage =
  | { type: "snapshot"; seq: number; now: number; rows: Tables }
  | { type: "changes"; seq: number; now: number; put?: Tables; del?: Record<string, string[]> }
  | { type: "pop"; now: number; pop: Pop }
  | { type: "alive"; now: number };

// --- calls that are in the journal ---------------------------------------------------------------

export type Outcome =
  | "answered"
  | "abandoned"
  | "refused"
  | "overflowed"
  | "voicemail"
  | "callback"
  | "not_queued"
  | "lost";
export type Party = "customer" | "agent" | "system" | "unknown";
export type LegKind = "customer" | "agent" | "consult" | "supervisor" | "other";

export interface CallRow {
  call_id: string;
  started_at: number;
  ended_at: number | null;
  direction: "inbound" | "outbound" | "internal";
  number: string | null;
  name: string | null;
  level: string | null;
  queues: string[];
  agents: string[];
  agent_id: string | null;
  waited_seconds: number;
  talk_seconds: number;
  /** null while the call lasts. */
  outcome: Outcome | null;
  /** Another server has the call and lists it. */
  handed_over: boolean;
  ended_by: Party | null;
  recordings: number;
  disposition: string | null;
  exact: boolean;
}

export interface CallPage {
  items: CallRow[];
  next: string | null;
}

export interface Decision {
  at: number;
  queue: string;
  rule: string;
  chosen: string | null;
  eligible: string[];
  eligible_count: number;
  excluded: Record<string, number>;
  excluded_examples: Record<string, string>;
  step: number;
  seed: number | null;
}

export interface RecordingInfo {
  recording_id: string;
  started_at: number;
  /** null until it was checked and stored. */
  duration_seconds: number | null;
  fault: string | null;
}

export interface SavedDisposition {
  at: number;
  agent_id: string;
  code: string;
  notes: string;
}

/** A domain event of the call: `what` is its name, the rest its own fields. */
export interface TimelineItem {
  at: number;
  what: string;
  leg_id?: string;
  kind?: LegKind | "blind" | "attended";
  agent_id?: string | null;
  extension?: string | null;
  number?: string | null;
  queue?: string | null;
  visit_id?: string;
  recording_id?: string;
  [field: string]: unknown;
}

export interface CallDetail {
  call: CallRow;
  decisions: Decision[];
  recordings: RecordingInfo[];
  dispositions: SavedDisposition[];
  timeline: TimelineItem[];
}
