/** What the stand-in shows: a small centre in the middle of a working day. */
import type {
  AgentState,
  CallDetail,
  CallRow,
  FloorAgentRow,
  FloorInfo,
  Me,
  Outcome,
  Problem,
  Seat,
  Tables,
  Trends,
} from "../src/api/types";

const problem = (status: number, code: string, title: string, action: string): Problem => ({
  status,
  code,
  title,
  action,
});

export const WRONG_PASSWORD = problem(401, "wrong_password", "登录失败", "请检查后重试。");
export const SIGNED_OUT = problem(401, "signed_out", "尚未登录", "请登录。");
export const SEAT_TAKEN: Problem = {
  ...problem(409, "seat_taken", "分机已被占用", "确认后可接管。"),
  agent: "1003",
};

const RIGHTS: Record<"agent" | "leader" | "admin", Me["rights"]> = {
  agent: { "desk.use": "own", "calls.see": "own", "numbers.reveal": "own", "customers.see": "all", "customers.edit": "all" },
  leader: {
    "calls.see": "all",
    "decisions.see": "all",
    "floor.see": "all",
    "numbers.see": "all",
    "recording.listen": "all",
    "alarms.clear": "all",
    "customers.see": "all",
    "customers.edit": "all",
    "blacklist.edit": "all",
    "people.see": "all",
    "customers.manage": "all",
    "customers.export": "all",
  },
  admin: { "floor.see": "all", "customers.fields": "all", "people.see": "all" },
};

const NAMES = [
  "王芳", "李强", "张伟", "刘洋", "陈静", "杨帆", "赵敏", "黄磊", "周杰", "吴桐", "徐丽", "孙浩",
  "胡月", "朱明", "高翔", "林雪", "何晨", "郭涛", "Alexandra Montgomery", "罗兰", "梁宇", "宋佳", "郑凯", "谢娜",
];

export function me(user: string): Me {
  const role = user === "agent" || user === "admin" ? user : "leader";
  return {
    user,
    name: { agent: "王芳", leader: "陈班长", admin: "管理员" }[role],
    roles: [role],
    agent_id: role === "agent" ? "1001" : null,
    language: "zh-CN",
    csrf: "mock",
    must_change_password: false,
    rights: RIGHTS[role],
  };
}

const QUEUES = [
  { name: "support", zh: "客户服务", en: "Customer support" },
  { name: "sales", zh: "销售咨询", en: "Sales enquiries" },
  { name: "billing", zh: "账单与支付", en: "Billing and payments" },
  { name: "vip", zh: "贵宾专线", en: "Priority customers" },
];

export function floor(): FloorInfo {
  return {
    queues: QUEUES.map((queue) => ({
      name: queue.name,
      title: { "zh-CN": queue.zh, en: queue.en },
      service_level_seconds: 20,
      service_level_target: 0.8,
      limits: {
        waiting: { warn: 5, alarm: 10 },
        longest_wait_seconds: { warn: 20, alarm: 60 },
        service_level: { warn: 0.8, alarm: 0.6 },
      },
      dispositions: ["resolved", "follow_up", "complaint", "no_result", "wrong_number"],
      wrap_up_limit_seconds: 180,
    })),
    reasons: [
      { code: "lunch", title: { "zh-CN": "午餐", en: "Lunch" }, limit_minutes: 60 },
      { code: "rest", title: { "zh-CN": "小休", en: "Rest" }, limit_minutes: 15 },
      { code: "training", title: { "zh-CN": "培训", en: "Training" }, limit_minutes: null },
      { code: "meeting", title: { "zh-CN": "会议", en: "Meeting" }, limit_minutes: null },
      { code: "desk_work", title: { "zh-CN": "案头工作", en: "Desk work" }, limit_minutes: null },
    ],
    extensions: [
      { number: "8001", kind: "browser", agent_id: null },
      { number: "8002", kind: "browser", agent_id: null },
      { number: "8003", kind: "browser", agent_id: "1003" },
      { number: "8101", kind: "desk", agent_id: null },
    ],
    agents: NAMES.map((name, index) => ({
      id: String(1001 + index),
      name,
      team: index % 2 === 0 ? "A 组" : "B 组",
      queues: ["support"],
    })),
    sip: { ws_url: "ws://127.0.0.1:26999/ws", domain: "127.0.0.1" },
  };
}

export function seat(extension: string): Seat {
  return {
    extension,
    kind: "browser",
    sip: {
      uri: `sip:${extension}@127.0.0.1`,
      ws_url: "ws://127.0.0.1:26999/ws",
      user: extension,
      password: "mock",
    },
  };
}

const CALLER = {
  number: "138****5678",
  name: "欧阳晓明",
  level: "金卡",
  language: "zh-CN",
  customer_id: "C-10023",
};

const AGENT_STATES: Record<string, AgentState> = {
  ready: "ready",
  not_ready: "not_ready",
  offer: "offered",
  talking: "talking",
  hold: "talking",
  wrap_up: "wrap_up",
  no_seat: "signed_out",
};

export function desk(scene: string, now: number): Tables {
  const state = AGENT_STATES[scene] ?? "ready";
  const row = {
    call_id: "n1-1700000000.12",
    queue: "support",
    ...CALLER,
    started_at: now - 160,
    answered_at: now - 131,
    recording: "on",
    disposition: null,
  };
  const callState = scene === "hold" ? "held" : state;
  const onCall = ["talking", "hold", "wrap_up"].includes(scene);
  return {
    me: {
      "1001": {
        agent_id: "1001",
        state,
        reason: state === "not_ready" ? "rest" : null,
        since: now - (state === "not_ready" ? 1000 : 131),
        until: state === "wrap_up" ? now + 48 : null,
        next_reason: scene === "talking" ? "lunch" : null,
        extension: scene === "no_seat" ? null : "8001",
        phone_reachable: true,
        today: {
          calls: 23,
          talk_seconds: 5412,
          missed: 1,
          average_seconds: 235,
          began_at: now - 36_000,
          spent: { ready: 9120, offered: 210, talking: 5412, wrap_up: 1290, not_ready: 2400 },
        },
      },
    },
    offers:
      scene === "offer"
        ? {
            o1: {
              offer_id: "o1",
              call_id: "n1-1700000000.13",
              queue: "vip",
              ...CALLER,
              waited_since: now - 34,
              made_at: now - 3,
              until: now + 17,
            },
          }
        : {},
    calls: onCall ? { [row.call_id]: { ...row, state: callState } } : {},
    queues: {
      support: { name: "support", waiting: 7, oldest_since: now - 34 },
      vip: { name: "vip", waiting: 1, oldest_since: now - 8 },
    },
  };
}

const CYCLE: AgentState[] = [
  "talking", "ready", "talking", "wrap_up", "not_ready", "talking", "ready", "offered",
  "talking", "talking", "signed_out", "not_ready",
];

function agentRow(name: string, index: number, now: number): FloorAgentRow {
  const state = CYCLE[index % CYCLE.length] ?? "ready";
  const busy = state === "talking" || state === "offered" || state === "wrap_up";
  return {
    id: String(1001 + index),
    name,
    team: index % 2 === 0 ? "A 组" : "B 组",
    state,
    reason: state === "not_ready" ? (index % 3 === 0 ? "lunch" : "rest") : null,
    since: now - ((index * 97) % 1900) - 3,
    call_id: busy ? "x" : null,
    queue: busy ? (QUEUES[index % 4]?.name ?? null) : null,
    extension: String(8001 + index),
    reachable: index !== 6,
    panel: index !== 8,
    needs_panel: true,
    today: { calls: 12 + index, talk_seconds: 3000, missed: index % 5 === 4 ? 2 : 0 },
  };
}

export function floorRows(scene: string, now: number): Tables {
  if (scene === "empty") return { queues: {}, agents: {}, waiting: {}, alarms: {}, link: {}, trends: {}, gaps: {} };
  const agents = NAMES.map((name, index) => agentRow(name, index, now));
  const levels = [0.86, 0.74, 0.52, null];
  const waits = [7, 2, 0, 1];
  const callers = ["13800005678", "02161234567", "+442079460123", "15912340000", "18655551234"];
  return {
    queues: Object.fromEntries(
      QUEUES.map((queue, index) => [
        queue.name,
        {
          name: queue.name,
          waiting: waits[index],
          oldest_since: waits[index] === 0 ? null : now - 18 - index * 20,
          ready: index === 0 ? 0 : 2,
          offered: 1,
          talking: 6 - index,
          wrap_up: index % 2,
          not_ready: 3,
          signed_in: 14,
          answered_today: 412 - index * 97,
          abandoned_today: 21 - index * 6,
          offered_today: 440 - index * 100,
          answered_in_time_today: Math.round((levels[index] ?? 0) * (430 - index * 100)),
          judged_today: 430 - index * 100,
          service_level_today: levels[index],
          service_level_now: [0.91, 0.7, 0.55, 0.83][index] ?? null,
          judged_now: 40 - index * 9,
          unheard_today: scene === "alarm" ? { calls_at_most: index === 2 ? null : 4 - index, ends_unknown: index } : null,
          expected_wait_seconds: index === 3 ? null : 20 + index * 45,
        },
      ]),
    ),
    agents: Object.fromEntries(agents.map((agent) => [agent.id, agent])),
    waiting: Object.fromEntries(
      callers.map((number, index) => [
        `v${index}`,
        {
          visit_id: `v${index}`,
          call_id: `c${index}`,
          queue: QUEUES[index % 4]?.name,
          number,
          name: index % 2 === 0 ? NAMES[20 + (index % 4)] : null,
          level: null,
          entered_at: now - 5 - index * 13,
          priority: index === 3 ? 5 : 0,
          native: index === 2,
        },
      ]),
    ),
    alarms:
      scene === "alarm"
        ? {
            recording: { key: "recording", level: "error", code: "recording_faulty", since: now - 40, params: { call_id: "c1", fault: "missing" } },
            ...Object.fromEntries(
              Array.from({ length: 40 }, (_, index) => [
                `silent${index}`,
                { key: `silent${index}`, level: "error", code: "recording_faulty", since: now - index * 60, params: { call_id: `c${index}`, fault: "agent_silent" } },
              ]),
            ),
            wait: { key: "queue.sales.longest_wait", level: "error", code: "queue_over_threshold", since: now - 21, params: { queue: "sales", figure: "longest_wait", limit: "60" } },
            database: { key: "database", level: "warning", code: "database_away", since: now - 90, params: {} },
          }
        : {},
    trends: {},
    gaps:
      scene === "alarm"
        ? { g: { from_at: now - 5400, to_at: now - 5040, reason: "link_lost" } }
        : {},
    link: {
      pbx: {
        pbx: "ready",
        since: now - 8000,
        lag_seconds: 0.004,
        database: scene === "alarm" ? "away" : "up",
        journal_behind: scene === "alarm" ? 1240 : 0,
      },
    },
  };
}

/** A day with a morning and an afternoon peak, up to now. */
export function trends(): Trends {
  const now = Date.now() / 1000;
  const begin = Math.floor(now / 900) * 900 - 40 * 900;
  const wave = Array.from({ length: 41 }, (_, index) => 12 + Math.round(11 * Math.sin(index / 4) + (index % 3)));
  const series = [null, ...QUEUES.map((queue) => queue.name)].map((queue, index) => {
    const offered = wave.map((count) => Math.round(count * (index === 0 ? 4 : 1.4 - index * 0.2)));
    return {
      queue,
      offered,
      answered: offered.map((count) => Math.round(count * 0.93)),
      abandoned: offered.map((count) => Math.round(count * 0.07)),
      service_level: offered.map((_, place) => 0.8 + 0.15 * Math.sin(place / 3)),
      waiting_most: offered.map((count) => Math.round(count / 5)),
      ready_mean: offered.map((_, place) => 3 + 2 * Math.cos(place / 4)),
    };
  });
  return {
    day: new Date(now * 1000).toISOString().slice(0, 10),
    begin,
    end: begin + 86_400,
    quarter_seconds: 900,
    series,
    gaps: [{ from_at: now - 5400, to_at: now - 5040, reason: "link_lost" }],
  };
}

const OUTCOMES: Outcome[] = ["answered", "answered", "abandoned", "answered", "voicemail", "answered", "refused", "callback"];

export function calls(): CallRow[] {
  const now = Date.now() / 1000;
  return Array.from({ length: 24 }, (_, index) => {
    const outcome = OUTCOMES[index % OUTCOMES.length] ?? "answered";
    const answered = outcome === "answered";
    const agent = answered ? String(1001 + (index % 20)) : null;
    return {
      call_id: `n1-1700000000.${index}`,
      started_at: now - index * 700 - 30,
      ended_at: index === 0 ? null : now - index * 700,
      direction: "inbound",
      number: `1380000${String(1000 + index * 37)}`,
      name: index % 3 === 0 ? null : (NAMES[(index * 7) % NAMES.length] ?? null),
      level: null,
      queues: index % 6 === 5 ? ["sales", "support"] : [QUEUES[index % 4]?.name ?? "support"],
      agents: agent === null ? [] : [agent],
      agent_id: agent,
      waited_seconds: (index * 13) % 70,
      talk_seconds: answered ? 45 + index * 23 : 0,
      outcome: index === 0 ? null : outcome,
      handed_over: false,
      ended_by: "customer",
      recordings: answered ? 1 : 0,
      disposition: answered ? (index % 2 === 0 ? "resolved" : "follow_up") : null,
      exact: true,
    };
  });
}

export function callDetail(): CallDetail {
  const start = Math.floor(Date.now() / 1000) - 4000;
  const call: CallRow = {
    ...(calls()[1] as CallRow),
    started_at: start,
    ended_at: start + 214,
    waited_seconds: 32,
    talk_seconds: 158,
    outcome: "answered",
    name: "欧阳晓明",
    queues: ["support"],
    agents: ["1002"],
  };
  const decision = {
    queue: "support",
    rule: "longest_idle",
    eligible: ["1002", "1007", "1011"],
    eligible_count: 3,
    excluded: { talking: 6, not_ready: 2, lacks_skill: 1 },
    excluded_examples: { "1003": "talking", "1005": "not_ready", "1009": "lacks_skill" },
    step: 0,
    seed: null,
  };
  return {
    call,
    decisions: [
      { ...decision, at: start + 4, chosen: null, rule: "nobody_free", eligible: [], eligible_count: 0 },
      { ...decision, at: start + 12, chosen: "1007" },
      { ...decision, at: start + 33, chosen: "1002", eligible: ["1002", "1011"], eligible_count: 2, step: 1 },
    ],
    recordings: [{ recording_id: "r1", started_at: start + 36, duration_seconds: 176, fault: null }],
    dispositions: [
      { at: start + 230, agent_id: "1002", code: "follow_up", notes: "客户反映上月账单重复扣费 68 元。\n已核实，三个工作日内退款；周五前回电确认。" },
    ],
    timeline: [
      { at: start, what: "CallStarted" },
      { at: start, what: "LegStarted", leg_id: "1", kind: "customer", number: "13800005678" },
      { at: start + 4, what: "QueueEntered", visit_id: "v", queue: "support" },
      { at: start + 4, what: "CallDecided", queue: "support", rule: "nobody_free" },
      { at: start + 12, what: "CallDecided", queue: "support", rule: "longest_idle" },
      { at: start + 12, what: "OfferMade", agent_id: "1007", queue: "support", extension: "8007" },
      { at: start + 12, what: "LegStarted", leg_id: "2", kind: "agent", agent_id: "1007", extension: "8007" },
      { at: start + 13, what: "LegRinging", leg_id: "2" },
      { at: start + 32, what: "LegEnded", leg_id: "2" },
      { at: start + 32, what: "OfferEnded", agent_id: "1007", end: "timed_out" },
      { at: start + 33, what: "CallDecided", queue: "support", rule: "longest_idle" },
      { at: start + 33, what: "OfferMade", agent_id: "1002", queue: "support", extension: "8002" },
      { at: start + 33, what: "LegStarted", leg_id: "3", kind: "agent", agent_id: "1002", extension: "8002" },
      { at: start + 33, what: "LegRinging", leg_id: "3" },
      { at: start + 36, what: "RecordingStarted", recording_id: "r1" },
      { at: start + 36, what: "LegAnswered", leg_id: "3" },
      { at: start + 36, what: "LegJoined", leg_id: "1" },
      { at: start + 36, what: "LegJoined", leg_id: "3" },
      { at: start + 36, what: "QueueLeft", visit_id: "v", queue: "support" },
      { at: start + 90, what: "LegHeld", leg_id: "3" },
      { at: start + 122, what: "LegResumed", leg_id: "3" },
      { at: start + 140, what: "RecordingPaused", recording_id: "r1" },
      { at: start + 160, what: "RecordingResumed", recording_id: "r1" },
      { at: start + 212, what: "LegEnded", leg_id: "3" },
      { at: start + 212, what: "LegEnded", leg_id: "1" },
      { at: start + 214, what: "CallEnded", outcome: "answered" },
      { at: start + 230, what: "DispositionSaved", agent_id: "1002", code: "follow_up" },
    ],
  };
}
